CREATE TABLE `access_state` (
	`id` integer PRIMARY KEY NOT NULL,
	`revision` integer NOT NULL,
	`secured` integer NOT NULL,
	`session_secret` text
);
--> statement-breakpoint
CREATE TABLE `api_keys` (
	`id` text PRIMARY KEY NOT NULL,
	`digest` text NOT NULL,
	`name` text NOT NULL,
	`grants` text NOT NULL,
	`consumer` text,
	`created` integer NOT NULL,
	`expires` integer,
	`revoked` integer,
	`successor` text,
	`used` integer
);
--> statement-breakpoint
CREATE INDEX `api_keys_name` ON `api_keys` (`name`,`id`);