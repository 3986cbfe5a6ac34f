ALTER TABLE `erasures` ADD `sweep` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
CREATE INDEX `erasures_sweep` ON `erasures` (`log`,`position`) WHERE sweep > 0;