CREATE TABLE `kept_attempts` (
	`id` integer PRIMARY KEY NOT NULL,
	`subscription` text NOT NULL,
	`failed` integer NOT NULL,
	`subject` integer,
	`subjects` text NOT NULL,
	`ended` integer NOT NULL,
	`duration` integer NOT NULL,
	`webhook` text NOT NULL,
	`name` text,
	`positions` text NOT NULL,
	`prefix` text NOT NULL,
	`status` integer,
	`error` text,
	`url` text NOT NULL,
	`headers` text NOT NULL,
	`body` text,
	`answer` text,
	FOREIGN KEY (`subscription`) REFERENCES `subscriptions`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE INDEX `kept_attempts_outcome` ON `kept_attempts` (`subscription`,`failed`,`id`);--> statement-breakpoint
CREATE INDEX `kept_attempts_subject` ON `kept_attempts` (`subject`);--> statement-breakpoint
CREATE TRIGGER `kept_attempts_erased` AFTER UPDATE OF `first_version` ON `subjects`
WHEN new.`first_version` > old.`first_version` AND (new.`log` > 0 OR new.`erased` IS NOT NULL) BEGIN
	UPDATE `kept_attempts` SET `body` = NULL, `answer` = NULL WHERE `subject` = new.`id`;
	UPDATE `kept_attempts` SET `body` = NULL, `answer` = NULL WHERE `subject` IS NULL
		AND EXISTS (SELECT 1 FROM json_each(`kept_attempts`.`subjects`) AS `delivered` WHERE `delivered`.`value` ->> 0 = new.`id`);
END;
