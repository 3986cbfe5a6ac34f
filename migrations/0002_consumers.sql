CREATE TABLE `consumers` (
	`log` integer NOT NULL,
	`name` text NOT NULL,
	`committed` integer,
	`sent` integer,
	`since` text NOT NULL,
	`seen` text NOT NULL,
	PRIMARY KEY(`log`, `name`),
	FOREIGN KEY (`log`) REFERENCES `logs`(`id`) ON UPDATE no action ON DELETE no action
);
