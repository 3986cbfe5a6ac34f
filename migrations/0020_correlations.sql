CREATE TABLE `correlation_progress` (
	`log` integer PRIMARY KEY NOT NULL,
	`position` integer NOT NULL,
	FOREIGN KEY (`log`) REFERENCES `logs`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE TABLE `event_correlations` (
	`correlation` text NOT NULL,
	`position` integer NOT NULL,
	PRIMARY KEY(`correlation`, `position`)
) WITHOUT ROWID;
--> statement-breakpoint
CREATE TRIGGER `event_correlations_deleted` AFTER DELETE ON `events`
WHEN old.`key` < 1099511627776 AND old.`extensions` IS NOT NULL BEGIN
	DELETE FROM `event_correlations` WHERE `correlation` = old.`extensions` ->> '$.correlationid' AND `position` = old.`key`;
END;
