<?php
// A request of the user ada, who has a note, a connection and the statement.
$pdo = new PDO('pgsql:dbname=shop', options: [PDO::PGSQL_ATTR_DISABLE_PREPARES => true]);
$_SERVER['HTTP_COOKIE'] = getenv('COOKIE');
$_SERVER['REMOTE_ADDR'] = '198.51.100.7';
$_SERVER['HTTP_USER_AGENT'] = 'curl/8';
$page = 'SELECT s.user_id, n.body
  FROM session_validate(session_cookie_read(?), ip => ?, user_agent => ?) AS s
  LEFT JOIN LATERAL (SELECT body FROM note WHERE owner = s.user_id) AS n ON true';
$pdo->exec("CREATE TABLE IF NOT EXISTS note AS SELECT 'ada' AS owner, 'buy tea' AS body");
BLOCK
if ($rows !== [['user_id' => 'ada', 'body' => 'buy tea']])
	throw new Exception(var_export($rows, true));
