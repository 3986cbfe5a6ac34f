ALTER TABLE `consumers` ADD `blocked` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `consumers` ADD `failure` text;