CREATE TABLE `subscription_attempts` (
	`subscription` text PRIMARY KEY NOT NULL,
	`attempts` text NOT NULL,
	FOREIGN KEY (`subscription`) REFERENCES `subscriptions`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE TABLE `subscription_skips` (
	`subscription` text NOT NULL,
	`subject` integer NOT NULL,
	`version` integer NOT NULL,
	`time` text NOT NULL,
	`attempts` integer NOT NULL,
	`error` text,
	PRIMARY KEY(`subscription`, `subject`, `version`),
	FOREIGN KEY (`subscription`) REFERENCES `subscriptions`(`id`) ON UPDATE no action ON DELETE no action,
	FOREIGN KEY (`subject`) REFERENCES `subjects`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE TABLE `subscription_subjects` (
	`subscription` text NOT NULL,
	`subject` integer NOT NULL,
	`next` integer NOT NULL,
	`stop` integer,
	`resume` integer,
	`frozen` integer,
	`attempts` integer DEFAULT 0 NOT NULL,
	`due` integer,
	`error` text,
	`since` text,
	`ahead` integer DEFAULT 0 NOT NULL,
	PRIMARY KEY(`subscription`, `subject`),
	FOREIGN KEY (`subscription`) REFERENCES `subscriptions`(`id`) ON UPDATE no action ON DELETE no action,
	FOREIGN KEY (`subject`) REFERENCES `subjects`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE INDEX `subscription_subjects_due` ON `subscription_subjects` (`subscription`,`due`);--> statement-breakpoint
CREATE TABLE `subscriptions` (
	`id` text PRIMARY KEY NOT NULL,
	`log` integer NOT NULL,
	`config` text NOT NULL,
	`secrets` text NOT NULL,
	`created` text NOT NULL,
	`revision` integer DEFAULT 0 NOT NULL,
	`epoch` integer DEFAULT 0 NOT NULL,
	`status` text DEFAULT 'active' NOT NULL,
	`reason` text,
	`since` text NOT NULL,
	`cursor` integer NOT NULL,
	`rewind` text,
	`batch` text,
	`trouble` text,
	FOREIGN KEY (`log`) REFERENCES `logs`(`id`) ON UPDATE no action ON DELETE no action
);
