CREATE TABLE `erased_ranges` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`log` integer NOT NULL,
	`subject` integer NOT NULL,
	`low` integer NOT NULL,
	`high` integer NOT NULL,
	`position` integer NOT NULL,
	`origin` integer NOT NULL,
	`recorded` text NOT NULL,
	FOREIGN KEY (`log`) REFERENCES `logs`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE INDEX `erased_ranges_log` ON `erased_ranges` (`log`,`id`);--> statement-breakpoint
CREATE TABLE `feed_origins` (
	`subject` integer NOT NULL,
	`position` integer NOT NULL,
	`source` integer NOT NULL,
	`source_version` integer NOT NULL,
	`version` integer NOT NULL,
	`events` integer NOT NULL,
	PRIMARY KEY(`subject`, `position`),
	FOREIGN KEY (`subject`) REFERENCES `subjects`(`id`) ON UPDATE no action ON DELETE no action
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `feed_origins_source` ON `feed_origins` (`source`,`source_version`);--> statement-breakpoint
CREATE TABLE `feed_places` (
	`log` integer NOT NULL,
	`name` text NOT NULL,
	`version` integer NOT NULL,
	`type` text NOT NULL,
	`recorded` text NOT NULL,
	`data` text,
	`extensions` text NOT NULL,
	PRIMARY KEY(`log`, `name`, `version`),
	FOREIGN KEY (`log`) REFERENCES `logs`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE TABLE `feed_revisions` (
	`subject` integer PRIMARY KEY NOT NULL,
	`log` integer NOT NULL,
	`since` integer NOT NULL,
	`low` integer NOT NULL,
	`wiped` integer NOT NULL,
	`folded` integer,
	`origin` integer NOT NULL,
	`recorded` text NOT NULL,
	FOREIGN KEY (`subject`) REFERENCES `subjects`(`id`) ON UPDATE no action ON DELETE no action,
	FOREIGN KEY (`log`) REFERENCES `logs`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE INDEX `feed_revisions_log` ON `feed_revisions` (`log`);--> statement-breakpoint
ALTER TABLE `feed_subjects` ADD `reset` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `feeds` ADD `erased` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `feeds` ADD `traced` integer DEFAULT 0;