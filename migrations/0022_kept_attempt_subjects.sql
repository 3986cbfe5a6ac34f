CREATE TABLE `kept_attempt_subjects` (
	`subject` integer NOT NULL,
	`attempt` integer NOT NULL,
	PRIMARY KEY(`subject`, `attempt`)
) WITHOUT ROWID;
--> statement-breakpoint
INSERT OR IGNORE INTO `kept_attempt_subjects` (`subject`, `attempt`)
SELECT `delivered`.`value` ->> 0, `attempt`.`id` FROM `kept_attempts` AS `attempt`
	CROSS JOIN json_each(iif(json_valid(`attempt`.`subjects`), `attempt`.`subjects`, '[]')) AS `delivered`
	WHERE `attempt`.`subject` IS NULL AND `attempt`.`body` IS NOT NULL;
--> statement-breakpoint
CREATE TRIGGER `kept_attempts_added` AFTER INSERT ON `kept_attempts`
WHEN new.`subject` IS NULL AND new.`body` IS NOT NULL BEGIN
	INSERT OR IGNORE INTO `kept_attempt_subjects` (`subject`, `attempt`)
	SELECT `delivered`.`value` ->> 0, new.`id` FROM json_each(new.`subjects`) AS `delivered`;
END;
--> statement-breakpoint
CREATE TRIGGER `kept_attempts_deleted` AFTER DELETE ON `kept_attempts`
WHEN old.`subject` IS NULL BEGIN
	DELETE FROM `kept_attempt_subjects` WHERE `attempt` = old.`id` AND `subject` IN (
		SELECT `delivered`.`value` ->> 0 FROM json_each(iif(json_valid(old.`subjects`), old.`subjects`, '[]')) AS `delivered`);
END;
--> statement-breakpoint
DROP TRIGGER `kept_attempts_erased`;
--> statement-breakpoint
CREATE TRIGGER `kept_attempts_erased` AFTER UPDATE OF `first_version` ON `subjects`
WHEN new.`first_version` > old.`first_version` AND (new.`log` > 0 OR new.`erased` IS NOT NULL) BEGIN
	UPDATE `kept_attempts` SET `body` = NULL, `answer` = NULL WHERE `subject` = new.`id`;
	UPDATE `kept_attempts` SET `body` = NULL, `answer` = NULL
		WHERE `id` IN (SELECT `attempt` FROM `kept_attempt_subjects` WHERE `subject` = new.`id`);
END;
