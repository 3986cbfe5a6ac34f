CREATE TABLE `feed_ahead` (
	`log` integer NOT NULL,
	`position` integer NOT NULL,
	`origin` integer NOT NULL,
	PRIMARY KEY(`log`, `position`),
	FOREIGN KEY (`log`) REFERENCES `logs`(`id`) ON UPDATE no action ON DELETE no action
) WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `feed_ahead_origin` ON `feed_ahead` (`log`,`origin`);--> statement-breakpoint
ALTER TABLE `feed_origins` ADD `place` integer;--> statement-breakpoint
ALTER TABLE `feeds` ADD `merged` integer DEFAULT 0 NOT NULL;