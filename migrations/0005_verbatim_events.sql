ALTER TABLE `logs` ADD `verbatim_until` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
UPDATE `logs` SET `verbatim_until` = `head` WHERE `id` = 0;
