CREATE TABLE `log_lineage` (
	`log` integer NOT NULL,
	`identity` text NOT NULL,
	`parted` integer NOT NULL,
	PRIMARY KEY(`log`, `identity`),
	FOREIGN KEY (`log`) REFERENCES `logs`(`id`) ON UPDATE no action ON DELETE no action
);
--> statement-breakpoint
ALTER TABLE `logs` ADD `identity` text DEFAULT '' NOT NULL;--> statement-breakpoint
UPDATE `logs` SET `identity` = lower(hex(randomblob(8)));--> statement-breakpoint
CREATE TRIGGER `logs_identity` AFTER INSERT ON `logs` WHEN new.`identity` = '' BEGIN
	UPDATE `logs` SET `identity` = lower(hex(randomblob(8))) WHERE `id` = new.`id`;
END;
