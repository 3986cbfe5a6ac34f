UPDATE `erasures` SET `sweep` = -1 WHERE `sweep` = 0;
