CREATE TABLE `erasure_generations` (
	`log` integer NOT NULL,
	`chunk` integer NOT NULL,
	`generation` integer NOT NULL,
	PRIMARY KEY(`log`, `chunk`),
	FOREIGN KEY (`log`) REFERENCES `logs`(`id`) ON UPDATE no action ON DELETE no action
);
