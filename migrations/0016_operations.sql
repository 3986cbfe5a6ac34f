ALTER TABLE `subscriptions` ADD `tally` text;--> statement-breakpoint
INSERT INTO `logs` (`name`) VALUES ('/operations') ON CONFLICT DO NOTHING;
