<?php
// A request of the user ada, and a connection.
$pdo = new PDO('pgsql:dbname=shop');
$_SERVER['HTTP_COOKIE'] = getenv('COOKIE');
$_SERVER['REMOTE_ADDR'] = '198.51.100.7';
$_SERVER['HTTP_USER_AGENT'] = 'curl/8';
BLOCK
if ($session !== ['user_id' => 'ada', 'data' => '{"cart": ["tea"]}'])
	throw new Exception(var_export($session, true));
