CREATE TABLE `objective_states` (
	`kind` text NOT NULL,
	`name` text NOT NULL,
	`resource` text NOT NULL,
	`measure` text NOT NULL,
	`missed` integer NOT NULL,
	`since` text NOT NULL,
	`position` integer NOT NULL,
	`contact` text,
	PRIMARY KEY(`kind`, `name`, `resource`, `measure`)
);
--> statement-breakpoint
CREATE TABLE `objectives` (
	`kind` text NOT NULL,
	`name` text NOT NULL,
	`log` text,
	`lag` real,
	`silent` real,
	`contact` text,
	`since` text NOT NULL,
	PRIMARY KEY(`kind`, `name`)
);
--> statement-breakpoint
CREATE INDEX `consumers_name` ON `consumers` (`name`);