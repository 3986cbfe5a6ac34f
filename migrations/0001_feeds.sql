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
--> statement-breakpoint
CREATE TABLE `feed_subjects` (
	`subject` integer PRIMARY KEY NOT NULL,
	`state` text,
	`projected` integer DEFAULT 0 NOT NULL,
	FOREIGN KEY (`subject`) REFERENCES `subjects`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE TABLE `feeds` (
	`log` integer PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`version` integer NOT NULL,
	`status` text DEFAULT 'building' NOT NULL,
	`cursor` integer DEFAULT 0 NOT NULL,
	`epoch` integer DEFAULT 0 NOT NULL,
	`target` integer DEFAULT 0 NOT NULL,
	`started` text NOT NULL,
	`cleared` integer DEFAULT 0 NOT NULL,
	`rate` real DEFAULT 0 NOT NULL,
	`failure` text,
	`schemas` text NOT NULL,
	FOREIGN KEY (`log`) REFERENCES `logs`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE UNIQUE INDEX `feeds_name_version` ON `feeds` (`name`,`version`);--> statement-breakpoint
CREATE TABLE `leases` (
	`name` text PRIMARY KEY NOT NULL,
	`holder` text NOT NULL,
	`token` integer NOT NULL,
	`expires` integer NOT NULL
);
