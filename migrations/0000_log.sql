CREATE TABLE `events` (
	`key` integer PRIMARY KEY NOT NULL,
	`subject` integer NOT NULL,
	`version` integer NOT NULL,
	`type` text NOT NULL,
	`time` text,
	`recorded` text NOT NULL,
	`data` text,
	`extensions` text,
	FOREIGN KEY (`subject`) REFERENCES `subjects`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE UNIQUE INDEX `events_subject_version` ON `events` (`subject`,`version`);--> statement-breakpoint
CREATE TABLE `idempotency` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`key` text NOT NULL,
	`fingerprint` text NOT NULL,
	`base` integer NOT NULL,
	`results` text NOT NULL,
	`recorded` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `idempotency_key_unique` ON `idempotency` (`key`);--> statement-breakpoint
CREATE TABLE `logs` (
	`id` integer PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`head` integer DEFAULT 0 NOT NULL,
	`recorded` text DEFAULT '' NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `logs_name_unique` ON `logs` (`name`);--> statement-breakpoint
CREATE TABLE `subjects` (
	`id` integer PRIMARY KEY NOT NULL,
	`log` integer NOT NULL,
	`name` text NOT NULL,
	`first_version` integer DEFAULT 1 NOT NULL,
	`erased` integer,
	`sweep` integer DEFAULT 0 NOT NULL,
	FOREIGN KEY (`log`) REFERENCES `logs`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE UNIQUE INDEX `subjects_log_name` ON `subjects` (`log`,`name`);--> statement-breakpoint
CREATE INDEX `subjects_sweep` ON `subjects` (`id`) WHERE sweep = 1;