CREATE TABLE `erasures` (
	`log` integer NOT NULL,
	`position` integer NOT NULL,
	`subject` text NOT NULL,
	`version` integer NOT NULL,
	`recorded` text NOT NULL,
	`reason` text,
	PRIMARY KEY(`log`, `position`),
	FOREIGN KEY (`log`) REFERENCES `logs`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
CREATE INDEX `erasures_subject` ON `erasures` (`log`,`subject`);--> statement-breakpoint
ALTER TABLE `logs` ADD `removals` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
INSERT INTO `erasures` (`log`, `position`, `subject`, `version`, `recorded`, `reason`)
SELECT `subject`.`log`, `event`.`key` & 1099511627775, `subject`.`name`, `event`.`version`, `event`.`recorded`, `event`.`extensions` ->> '$.reason'
FROM `subjects` AS `subject`
CROSS JOIN `events` AS `event` ON `event`.`subject` = `subject`.`id` AND `event`.`version` = `subject`.`first_version`
WHERE `subject`.`first_version` > 1 AND `event`.`type` = 'kilde.erased';
