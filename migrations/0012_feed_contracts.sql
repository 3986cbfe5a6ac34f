CREATE TABLE `feed_contracts` (
	`log` integer NOT NULL,
	`revision` integer NOT NULL,
	`schemas` text NOT NULL,
	PRIMARY KEY(`log`, `revision`),
	FOREIGN KEY (`log`) REFERENCES `logs`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
ALTER TABLE `leases` ADD `rank` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `feeds` ADD `promised` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `feeds` ADD `generator` text;--> statement-breakpoint
ALTER TABLE `feeds` ADD `definition` text;