<?php
// Requests with and without a session, as in $_SERVER.
$stranger = ['REMOTE_ADDR' => '198.51.100.7'];
$ada = $stranger + ['HTTP_COOKIE' => getenv('COOKIE'), 'HTTP_USER_AGENT' => 'curl/8'];
BLOCK
