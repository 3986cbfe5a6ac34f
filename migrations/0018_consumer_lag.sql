CREATE TABLE `consumer_lag` (
	`hour` integer NOT NULL,
	`log` integer NOT NULL,
	`name` text NOT NULL,
	`samples` text NOT NULL,
	PRIMARY KEY(`hour`, `log`, `name`),
	FOREIGN KEY (`log`) REFERENCES `logs`(`id`) ON UPDATE no action ON DELETE no action
);
