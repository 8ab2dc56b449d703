<?php
declare(strict_types=1);

// Makes a database, runs the tests in this process and against the application of
// README.md in PHP's web server, and prints TAP.

require_once __DIR__ . '/../src/Handler.php';
require_once __DIR__ . '/../src/laravel.php';
require_once __DIR__ . '/support.php';

use Session\Data;
use Session\Handler;

/** A class whose objects are in sessions. */
class Money
{
	public static int $made = 0;

	public function __construct(public int $cents, private string $bytes = "\0\xff")
	{
	}

	public function __wakeup(): void
	{
		self::$made++;
	}
}

enum Size
{
	case Big;
}

/** Runs a request in this process. Returns the id of its session. */
function request(Handler $handler, ?string $id, Closure $work, array $options = []): string
{
	$_SESSION = [];
	session_id($id ?? '');
	if ($id === null)
		session_id(session_create_id_of($handler));
	session_start($options);
	$work();
	$id = session_id();
	if (session_status() === PHP_SESSION_ACTIVE)
		session_write_close();
	return $id;
}

/** Returns an id that the handler has made, as session_start() without a cookie does. */
function session_create_id_of(Handler $handler): string
{
	return $handler->create_sid();
}

function handler(mixed ...$arguments): Handler
{
	return (new Handler(connect(DATABASE, ROLE), ...$arguments))->register();
}

function row(string $id): array|false
{
	return query('SELECT user_id, status, data::text AS data, extract(epoch FROM expires_at - now())::int
		AS seconds FROM session_validate(?)', [$id])->fetch(PDO::FETCH_ASSOC);
}

function status(string $id): string
{
	return query('SELECT session_status(?)', [$id])->fetchColumn();
}

function test_the_version_is_that_of_the_extension(): void
{
	$meta = json_decode(file_get_contents(__DIR__ . '/../../../META.json'), true);
	$composer = json_decode(file_get_contents(__DIR__ . '/../composer.json'), true);
	same($meta['version'], Handler::VERSION);
	same($meta['version'], $composer['version']);
}

/** Values that come back as they were, and whether they are readable in SQL. */
function values(): array
{
	$reference = ['a' => 1];
	$reference['b'] = &$reference['a'];
	return [
		[true, null], [true, 0], [true, -7], [true, PHP_INT_MAX], [true, PHP_INT_MIN], [true, 0.1],
		[true, 10.0], [true, 1e-7], [false, 1e15], [false, 1e25], [false, -0.0], [false, NAN],
		[false, INF], [true, ''], [true, "Zoë 🍵 '\"\\/"], [true, '\u0000'], [false, "a\0b"],
		[false, "\xff"], [true, []], [true, [1, [2, []]]], [true, ['a' => 1, 'b' => 2]],
		[true, ['b' => 1, 'a' => ['y' => 1, 'x' => [['d' => 1, 'c' => 2]]]]], [true, [5 => 'x', 10 => 'y']], [true, [10 => 'x', 5 => 'y', -1 => 'z']], [true, ['bb' => 1, 'a' => 2, '' => 3]],
		[false, ['_keys' => ['x']]], [false, ['a' => ['_keys' => 1]]],
		[false, ["\xff" => 1]], [false, ['_php' => 'x']], [true, ['_php' => 'x', 'plain' => 1]],
		[false, new Money(5)], [false, [new Money(5)]], [true, str_repeat('x', 20000)],
	];
}

function test_data_comes_back_as_it_was(): void
{
	$handler = handler();
	foreach (values() as [$readable, $value]) {
		$id = request($handler, null, function () use ($value) {
			$_SESSION['value'] = $value;
			$_SESSION['cart'] = ['tea'];
		});
		$data = json_decode(row($id)['data'], true);
		same(['tea'], $data['cart']);
		same($readable, !isset($data['value']['_php']) || isset($data['value']['plain']));
		request($handler, $id, function () use ($value) {
			same(serialize($value), serialize($_SESSION['value']));
			$_SESSION['cart'][] = 'cups';
		});
		request($handler, $id, function () use ($value) {
			same(serialize([$value, ['tea', 'cups']]), serialize([$_SESSION['value'], $_SESSION['cart']]));
		});
	}
}

function test_an_array_with_an_order_is_readable_and_can_be_changed_in_sql(): void
{
	$handler = handler();
	$id = request($handler, null, function () { $_SESSION['cart'] = ['tea' => 2, 'cup' => 1]; });
	same('2', query("SELECT session_data(?)->'cart'->>'tea'", [$id])->fetchColumn());
	query('SELECT session_data_merge(?, ?)', [$id, '{"cart": {"cup": null, "pot": 1, "bag": {"z": 1}}}']);
	request($handler, $id, fn() => same(['tea' => 2, 'bag' => ['z' => 1], 'pot' => 1], $_SESSION['cart']));
	foreach (['[{}]', '1', 'null', '["tea", 7, "tea"]'] as $keys) {
		query('SELECT session_data_save(?, ?)', [$id, '{"cart": {"tea": 2, "_keys": ' . $keys . '}}']);
		request($handler, $id, fn() => same(2, $_SESSION['cart']['tea']));
	}
}

function test_data_that_is_one_value_comes_back(): void
{
	$handler = handler();
	$shared = ['x'];
	foreach ([['_php' => 'mine'], ["\xff" => 1], ['n' => 1, 'size' => Size::Big]] as $all) {
		$id = request($handler, null, function () use ($all) { $_SESSION = $all; });
		request($handler, $id, function () use ($all) {
			same(serialize($all), serialize($_SESSION));
			$_SESSION['more'] = 2;
		});
		request($handler, $id, function () use ($all) {
			same(2, $_SESSION['more']);
			unset($_SESSION['more']);
			same(serialize($all), serialize($_SESSION));
		});
	}
	$id = request($handler, null, function () use (&$shared) { $_SESSION = ['a' => &$shared, 'b' => &$shared]; });
	request($handler, $id, function () {
		$_SESSION['a'][] = 'y';
		same(['x', 'y'], $_SESSION['b']);
	});
}

function test_another_serialize_handler_works(): void
{
	$handler = handler();
	$plain = request($handler, null, function () { $_SESSION['cart'] = ['tea']; });
	ini_set('session.serialize_handler', 'php');
	$id = request($handler, null, function () { $_SESSION['money'] = new Money(3); });
	request($handler, $id, fn() => same(3, $_SESSION['money']->cents));
	request($handler, $plain, fn() => same(['tea'], $_SESSION['cart']));
}

function test_the_handler_makes_no_object_of_what_is_stored(): void
{
	$handler = handler();
	$id = request($handler, null, function () { $_SESSION['money'] = new Money(3); });
	Money::$made = 0;
	request($handler, $id, function () { $_SESSION['more'] = 1; });
	same(1, Money::$made);
	same(true, str_contains(Data::read(row($id)['data']), 'O:5:"Money"'));
}

function test_a_visitor_without_data_has_no_row(): void
{
	$handler = handler();
	$rows = fn() => query('SELECT count(*) FROM session.sessions')->fetchColumn();
	$before = $rows();
	$id = request($handler, null, fn() => null);
	same($before, $rows());
	same('unknown', status($id));
}

function test_a_planted_id_never_becomes_that_of_a_session(): void
{
	$handler = handler();
	foreach ([str_repeat('a', 32), 'st_' . str_repeat('A', 64), 'short', "a\0b" . str_repeat('x', 30),
			str_repeat('ü', 20), str_repeat("\xff", 30), str_repeat('x', 600), "' OR true --aaaaaaaaaaaaaa"] as $planted) {
		$id = request($handler, $planted, function () { $_SESSION['cart'] = 1; });
		same(false, $id === $planted);
		same('active', status($id));
		if (preg_match('/\A[!-~]+\z/', $planted))
			same(false, status($planted) === 'active');
	}
	ini_set('session.use_strict_mode', '0');
	throws(RuntimeException::class, fn() => request($handler, str_repeat('b', 32), fn() => null));
	same(false, silent(fn() => $handler->write(str_repeat('b', 32), 'a:1:{s:1:"a";i:1;}')));
	same('unknown', status(str_repeat('b', 32)));
}

function test_regenerate_gives_a_new_id_and_ends_the_old(): void
{
	$handler = handler(user: 'user_id');
	$visitor = request($handler, null, function () { $_SESSION['cart'] = ['tea']; });
	same(null, row($visitor)['user_id']);
	foreach ([true, false] as $first) {
		$member = request($handler, $visitor, function () use ($first) {
			if ($first)
				session_regenerate_id(true);
			$_SESSION['user_id'] = 7;
			if (!$first)
				session_regenerate_id(true);
		});
		same(false, $member === $visitor);
		same('revoked', status($visitor));
		same(['7', ['tea']], [row($member)['user_id'], json_decode(row($member)['data'], true)['cart']]);
		$visitor = request($handler, null, function () { $_SESSION['cart'] = ['tea']; });
	}
	$kept = request($handler, $visitor, function () { session_regenerate_id(false); });
	same(['active', 'active'], [status($visitor), status($kept)]);
}

function test_a_change_of_the_user_without_regenerate_ends_the_session(): void
{
	$handler = handler(user: fn(array $session) => $session['who']['id'] ?? null);
	$id = request($handler, null, function () { $_SESSION['cart'] = 1; });
	silent(fn() => request($handler, $id, function () { $_SESSION['who'] = ['id' => 7]; }));
	same('revoked', status($id));
	$id = request($handler, null, function () { $_SESSION['who'] = ['id' => 7]; });
	silent(fn() => request($handler, $id, function () { $_SESSION = []; }));
	same('revoked', status($id));
}

function test_a_session_that_ended_while_a_request_ran_stays_ended(): void
{
	$handler = handler();
	foreach (['cart', 'blob'] as $key) {
		$value = $key === 'blob' ? [&$key] : 1;
		$id = request($handler, null, function () { $_SESSION['cart'] = [0]; });
		silent(fn() => request($handler, $id, function () use ($id, $key, $value) {
			query('SELECT session_revoke(?)', [$id]);
			$_SESSION[$key] = $value;
		}));
		same('revoked', status($id));
		$next = request($handler, $id, fn() => same([], $_SESSION));
		same(false, $next === $id);
	}
}

function test_parallel_requests_keep_changes_of_different_keys(): void
{
	$one = handler();
	$id = request($one, null, function () { $_SESSION = ['a' => 1, 'b' => 1, 'c' => 1]; });
	$late = new Handler(connect(DATABASE, ROLE));
	$late->open('', '');
	$late->validateId($id);
	same('a:3:{s:1:"a";i:1;s:1:"b";i:1;s:1:"c";i:1;}', $late->read($id));
	request($one, $id, function () {
		$_SESSION['a'] = 2;
		unset($_SESSION['b']);
	});
	ini_set('session.serialize_handler', 'php_serialize');
	$late->write($id, serialize(['a' => 1, 'b' => 1, 'c' => 2, 'd' => null]));
	same(['a' => 2, 'c' => 2, 'd' => null], json_decode(row($id)['data'], true));
}

function test_what_is_not_changed_is_not_written(): void
{
	$handler = handler(lifetime: 1000);
	$id = request($handler, null, function () { $_SESSION['cart'] = [new Money(1), 'b' => ['z' => 1, 'a' => 2]]; });
	same(1000, row($id)['seconds']);
	query("UPDATE session.sessions SET created_at = created_at - interval '500 s',
		last_seen_at = last_seen_at - interval '500 s', expires_at = expires_at - interval '500 s'
		WHERE id = ?", [$handler->id]);
	request($handler, $id, fn() => null);
	same(true, row($id)['seconds'] > 990);
	$version = fn() => query('SELECT xmin::text FROM session.sessions WHERE id = ?', [$handler->id])->fetchColumn();
	$before = $version();
	request($handler, $id, fn() => $_SESSION['cart'][0]->cents);
	request($handler, $id, fn() => null, ['read_and_close' => true]);
	same($before, $version());
	same(64, strlen($id));
	same(1, preg_match('/\A[-0-9a-f]{36}\z/', $handler->id));
}

function test_the_functions_of_sessions_work(): void
{
	$handler = handler();
	$id = request($handler, null, function () { $_SESSION['cart'] = 1; });
	request($handler, $id, function () {
		$_SESSION['cart'] = 2;
		session_reset();
		same(1, $_SESSION['cart']);
		$_SESSION['cart'] = 3;
		session_abort();
	});
	same('{"cart": 1}', row($id)['data']);
	request($handler, $id, fn() => same(0, session_gc()));
	request($handler, $id, function () { $_SESSION = []; });
	same('{}', row($id)['data']);
	request($handler, $id, fn() => session_destroy());
	same('revoked', status($id));
}

function test_bind_needs_a_transaction_and_ends_with_it(): void
{
	$db = connect(DATABASE, ROLE);
	$handler = (new Handler($db, user: 'user_id'))->register();
	$ids = array_map(fn($user) => request($handler, null, function () use ($user) { $_SESSION['user_id'] = $user; }),
		['ada', 'ben']);
	throws(LogicException::class, fn() => $handler->bind());
	$who = fn() => $db->query('SELECT session_user_id()')->fetchColumn();
	foreach (['ada', 'ben'] as $n => $user) {
		request($handler, $ids[$n], function () use ($handler, $db, $who, $user) {
			$db->beginTransaction();
			same(true, $handler->bind());
			same($user, $who());
			$db->commit();
			same(null, $who());
		});
	}
	request($handler, null, function () use ($handler, $db, $who) {
		$db->beginTransaction();
		same([false, null], [$handler->bind(), $who()]);
		$db->rollBack();
	});
}

/** Returns the message of what a work throws. */
function message(string $class, Closure $work): string
{
	return throws($class, $work)->getMessage();
}

function test_mistakes_are_errors_that_name_the_argument(): void
{
	$db = connect(DATABASE, ROLE);
	foreach (['lifetime' => 0, 'lock' => -1, 'proxies' => -1] as $name => $wrong)
		same(1, preg_match("/^$name must be [01] or more: it is $wrong$/",
			message(InvalidArgumentException::class, fn() => new Handler($db, ...[$name => $wrong]))));
	same('user must be a key of $_SESSION, a function, or null',
		message(InvalidArgumentException::class, fn() => new Handler($db, user: '')));
	same('the function database must return a PDO: it returned string',
		message(LogicException::class, fn() => request((new Handler(fn() => 'x'))->register(), str_repeat('x', 32), fn() => null)));
	session_abort();
	$unused = new Handler($db);
	$db->beginTransaction();
	same(true, str_starts_with(message(LogicException::class, fn() => $unused->bind()), 'bind() needs a session'));
	$db->rollBack();
	same(true, str_starts_with(message(LogicException::class, fn() => $unused->stepUp()), 'stepUp() needs an open'));
	request(handler(), null, fn() => same(true, str_contains(
		message(LogicException::class, fn() => handler()), 'before session_start()')));
}

function test_a_user_that_is_no_id_is_an_error(): void
{
	foreach (['$_SESSION[\'user_id\']' => 'user_id', 'what the function user returns' => fn($data) => $data['user_id']] as $what => $user)
		foreach ([[['id' => 7], 'array'], [true, 'bool'], [1.5, 'float'], ['', 'empty']] as [$wrong, $type]) {
			$handler = handler(user: $user);
			$text = message(LogicException::class, fn() => request($handler, null, function () use ($wrong) { $_SESSION['user_id'] = $wrong; }));
			same("$what must be the id of a user, an integer or a text that is not empty, or null: it is $type", $text);
			session_abort();
		}
}

function test_a_database_without_the_extension_is_an_error_that_says_so(): void
{
	$handler = (new Handler(connect(getenv('PGDATABASE') ?: 'postgres')))->register();
	$text = message(RuntimeException::class, fn() => request($handler, null, function () { $_SESSION['cart'] = 1; }));
	same(true, str_contains($text, 'CREATE EXTENSION session'));
}

function test_an_error_of_a_silent_connection_is_an_error(): void
{
	$db = connect(DATABASE, ROLE);
	$db->setAttribute(PDO::ATTR_ERRMODE, PDO::ERRMODE_SILENT);
	$handler = (new Handler($db))->register();
	$id = request($handler, null, function () { $_SESSION['cart'] = 1; });
	request($handler, $id, fn() => same(1, $_SESSION['cart']));
	$db->exec('BEGIN');
	$db->exec('SELECT 1 / 0');
	$error = throws(PDOException::class, fn() => request($handler, $id, fn() => null));
	same('25P02', $error->getCode());
	session_abort();
	$db->exec('ROLLBACK');
	same('active', status($id));
}

/** Returns what the user of a session has proven, and how many seconds ago. */
function proven(string $id): array
{
	return query('SELECT auth_level, array_to_string(amr, \' \') AS amr, extract(epoch FROM now() - authenticated_at)::int AS ago
		FROM session_validate(?)', [$id])->fetch(PDO::FETCH_NUM);
}

function test_what_the_user_has_proven_stays_with_a_new_id_and_a_step_up_adds_to_it(): void
{
	$handler = handler(user: 'user_id');
	$id = request($handler, null, function () { $_SESSION['user_id'] = 'ada'; });
	same([1, null, 0], proven($id));
	$old = function (string $id) use ($handler) {
		query("UPDATE session.sessions SET authenticated_at = now() - interval '600 s' WHERE id = ?", [$handler->id]);
		same(600, proven($id)[2]);
	};
	$old($id);
	foreach ([true, false] as $delete) {
		$id = request($handler, $id, fn() => session_regenerate_id($delete));
		same([1, null, 600], proven($id));
	}
	$before = $id;
	$id = request($handler, $id, fn() => $handler->stepUp(2, ['pwd', 'otp']));
	same('revoked', status($before));
	same([2, 'pwd otp', 0], proven($id));
	$old($id);
	$id = request($handler, $id, fn() => session_regenerate_id(true));
	same([2, 'pwd otp', 600], proven($id));

	// A later login, another user and a session without a user have none of it.
	$ada = request($handler, null, function () { $_SESSION['user_id'] = 'ada'; });
	same([1, null, 0], proven($ada));
	$ben = request($handler, $id, function () {
		session_regenerate_id(true);
		$_SESSION['user_id'] = 'ben';
	});
	same([1, null, 0], proven($ben));
	$visitor = request($handler, $ada, function () {
		session_regenerate_id(true);
		$_SESSION = ['cart' => 1];
	});
	same([0, null, null], proven($visitor));
	request($handler, $visitor, fn() => same(true,
		str_starts_with(message(LogicException::class, fn() => $handler->stepUp()), 'stepUp() needs a user')));
	query("SELECT session_revoke_user('ada'), session_revoke_user('ben')");
}

function test_a_lock_keeps_a_writer_waiting_and_not_a_reader(): void
{
	$handler = handler(lock: 1);
	$id = request($handler, null, function () { $_SESSION['n'] = 0; });
	$other = new Handler(connect(DATABASE, ROLE), lock: 1);
	$other->validateId($id);
	request($handler, $id, fn() => same(0, $_SESSION['n']), ['read_and_close' => true]);
	$error = throws(PDOException::class, fn() => session_start());
	same('55P03', $error->getCode());
	session_abort();
	same('0', connect(DATABASE, ROLE)->query('SHOW lock_timeout')->fetchColumn());
	$other->close();
	request($handler, $id, function () { $_SESSION['n']++; });
	same('{"n": 1}', row($id)['data']);
	same(0, query("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")->fetchColumn());
}

function test_the_import_of_the_readme_is_a_session(): void
{
	query(blocks('import')[0]);
	request(handler(user: 'user_id'), '0123456789abcdef0123456789abcdef', function () {
		same(['cart' => ['tea'], 'user_id' => 'ada'], $_SESSION);
		$_SESSION['cart'][] = 'cups';
	});
	same(['tea', 'cups'], json_decode(row('0123456789abcdef0123456789abcdef')['data'], true)['cart']);
	query("SELECT session_revoke_user('ada')");
}

/** Runs PHP with a folder of sessions and returns what it prints. */
function php(string $folder, string ...$arguments): string
{
	$process = proc_open([PHP_BINARY, '-d', "session.save_path=$folder", '-d', 'session.use_strict_mode=0',
		'-d', 'session.gc_maxlifetime=1440', ...$arguments], [1 => ['pipe', 'w'], 2 => ['pipe', 'w']], $pipes);
	return stream_get_contents($pipes[1]) . stream_get_contents($pipes[2]);
}

function test_the_sessions_of_php_files_go_on_working(): void
{
	$folder = sys_get_temp_dir() . '/session-php.' . bin2hex(random_bytes(6));
	mkdir($folder, 0700);
	try {
		$import = [__DIR__ . '/../import-files.php', dsn(DATABASE, ROLE), $folder, 'user_id'];
		foreach (['php', 'php_serialize'] as $format) {
			[$ada, $other, $visitor, $old] = array_map(fn() => bin2hex(random_bytes(16)), range(1, 4));
			foreach ([$ada => 'ada', $other => 'ben', $visitor => null, $old => 'old'] as $id => $user)
				php($folder, '-d', "session.serialize_handler=$format", '-r', 'class Cup { public $size = 3; }
					session_id($argv[1]);
					session_start();
					if ($argv[2] !== "")
						$_SESSION["user_id"] = $argv[2];
					$_SESSION["cart"] = ["tea", 2.5];
					$_SESSION["cup"] = new Cup;', '--', $id, (string) $user);
			touch("$folder/sess_$old", time() - 1441);
			file_put_contents("$folder/sess_" . bin2hex(random_bytes(16)), 'no data of PHP');
			$printed = php($folder, '-d', "session.serialize_handler=$format", ...$import);
			if (!str_contains($printed, 'copied 3 sessions'))
				throw new Exception($printed);
			same(['ada', null, false], [row($ada)['user_id'], row($visitor)['user_id'], row($old)]);
			same(true, proven($ada)[2] > 86400);
			same('["tea", 2.5]', query("SELECT data -> 'cart' FROM session_validate(?)", [$ada])->fetchColumn());
			if (abs(row($ada)['seconds'] - 1440) > 30)
				throw new Exception('lifetime ' . row($ada)['seconds']);

			// Its cookie goes on working, until the id changes.
			$new = request(handler(user: 'user_id'), $ada, function () {
				same(['ada', ['tea', 2.5]], [$_SESSION['user_id'], $_SESSION['cart']]);
				same('O:3:"Cup":1:{s:4:"size";i:3;}', serialize($_SESSION['cup']));
				session_regenerate_id(true);
			});
			same(['ada', false], [row($new)['user_id'], row($ada)]);

			// Copied again, nothing comes back.
			query('SELECT session_revoke(?)', [$other]);
			$printed = php($folder, '-d', "session.serialize_handler=$format", ...$import);
			if (!str_contains($printed, 'copied 0 sessions'))
				throw new Exception($printed);
			same([false, false], [row($ada), row($other)]);
			same(5, count(glob("$folder/sess_*")));
			array_map(unlink(...), glob("$folder/sess_*"));
			query("SELECT session_revoke_user('ada')");
		}
	} finally {
		array_map(unlink(...), glob("$folder/*"));
		rmdir($folder);
	}
}

/** Returns the statements of a file of examples/moving. */
function statements(string $file): array
{
	$text = file_get_contents(__DIR__ . "/../../../examples/moving/$file");
	return array_map(fn($part) => preg_replace('/\A(--.*\n|\n)*/', '', $part), preg_split('/;\n(?:\n|\z)/', $text, -1, PREG_SPLIT_NO_EMPTY));
}

/** Makes a row of Laravel's table. Returns its id. */
function laravel_row(?int $user, array $data, int $age = 0, ?string $payload = null): string
{
	$id = substr(strtr(base64_encode(random_bytes(40)), '+/', 'xy'), 0, 40);
	query('INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?)', [$id, $user, '192.0.2.7', 'Firefox/145',
		$payload ?? base64_encode(serialize($data)), time() - $age]);
	return $id;
}

/** Returns the cookie that Laravel makes of an id. */
function laravel_cookie(string $id, string $name, string $key): string
{
	$iv = random_bytes(16);
	$value = openssl_encrypt(hash_hmac('sha1', $name . 'v2', $key) . "|$id", 'aes-256-cbc', $key, 0, $iv);
	$iv = base64_encode($iv);
	$mac = hash_hmac('sha256', $iv . $value, $key);
	return base64_encode(json_encode(['iv' => $iv, 'value' => $value, 'mac' => $mac, 'tag' => ''], JSON_UNESCAPED_SLASHES));
}

function test_the_sessions_of_laravel_go_on_working(): void
{
	[$create, $copy, $count, $back, $delete] = statements('laravel.sql');
	query('CREATE TABLE sessions (id varchar(255) PRIMARY KEY, user_id bigint, ip_address varchar(45), user_agent text,
		payload text NOT NULL, last_activity integer NOT NULL)');
	$data = ['_token' => 'qJ', 'login_web_59ba36' => 7, 'cart' => ['tea' => 2, 'cup' => 1], '_flash' => ['old' => [], 'new' => []]];
	$ada = laravel_row(7, $data);
	$ben = laravel_row(8, $data, 3600);
	$kim = laravel_row(9, $data);
	$visitor = laravel_row(null, ['cart' => ['salt' => 1], 'money' => new Money(5)]);
	$json = laravel_row(10, [], 0, base64_encode(json_encode($data)));
	$gone = laravel_row(11, $data, 7201);
	foreach ([1, 2] as $n) {
		query($create);
		query($copy);
		query('SELECT session_revoke(?)', [$kim]);
	}
	$counted = fn() => query($count)->fetch(PDO::FETCH_NUM);
	same([4, 1], $counted());
	same(['7', '8', false, null, '10', false], array_map(fn($id) => row($id) ? row($id)['user_id'] : false, [$ada, $ben, $kim, $visitor, $json, $gone]));
	foreach ([[$ada, 7200], [$ben, 7200]] as [$id, $seconds])
		same(true, abs(row($id)['seconds'] - $seconds) < 60);
	same(7200, query('SELECT extract(epoch FROM idle_timeout)::int FROM session.sessions WHERE id = (SELECT id FROM session_validate(?))', [$ada])->fetchColumn());
	same(true, proven($ada)[2] > 86400);
	same(['192.0.2.7', 'Firefox/145'], query('SELECT host(ip), user_agent FROM session_list(?)', ['7'])->fetch(PDO::FETCH_NUM));
	same(2, json_decode(row($json)['data'], true)['cart']['tea']);

	// The client reads the data, and makes it readable when it changes.
	$handler = handler(user: 'login_web_59ba36');
	request($handler, $ada, fn() => same($data, $_SESSION));
	same(true, isset(json_decode(row($ada)['data'], true)['_php']));
	request($handler, $ada, function () { $_SESSION['cart']['pot'] = 1; });
	$data['cart']['pot'] = 1;
	request($handler, $ada, function () use ($data) {
		ksort($data);
		ksort($_SESSION);
		same($data, $_SESSION);
	});
	same('1', query("SELECT session_data(?) -> 'cart' ->> 'pot'", [$ada])->fetchColumn());
	request(handler(), $visitor, fn() => same(5, $_SESSION['money']->cents));

	// The cookie is encrypted: the id is in it for who has the key.
	$key = random_bytes(32);
	$app_key = 'base64:' . base64_encode($key);
	$read = fn(?string $cookie, string $name = 'laravel_session') => Session\laravel_id($cookie, $name, $app_key);
	$cookie = laravel_cookie($ada, 'laravel_session', $key);
	same($ada, $read($cookie));
	$opened = json_decode(base64_decode($cookie), true);
	$bytes = base64_decode($opened['value']);
	$bytes[50] = ~$bytes[50];
	same(null, $read(base64_encode(json_encode(['value' => base64_encode($bytes)] + $opened))));
	foreach ([null, '', 'x', $ada, base64_encode('[]'), base64_encode('{"iv": 1}'), laravel_cookie($ada, 'laravel_session', random_bytes(32)),
		base64_encode(json_encode(['value' => base64_encode(random_bytes(80))] + $opened)),
		base64_encode(json_encode(['iv' => base64_encode(random_bytes(16))] + $opened))] as $wrong)
		same(null, $read($wrong));
	same(null, $read($cookie, 'another'));
	throws(InvalidArgumentException::class, fn() => Session\laravel_id($cookie, 'laravel_session', 'short'));

	// A new id, and the way back.
	$new = request($handler->register(), $ada, fn() => session_regenerate_id(true));
	same(['7', false], [row($new)['user_id'], row($ada)]);
	same([3, 2], $counted());
	query('SELECT session_data_set(?, ?, ?)', [$json, 'cart', '{"rice": 1}']);
	query("UPDATE sessions SET last_activity = 0, payload = 'YTx' WHERE id = ?", [$ben]);
	query($back);
	query($delete);
	$left = query('SELECT id, last_activity - extract(epoch FROM now())::int AS ago, payload FROM sessions')->fetchAll(PDO::FETCH_UNIQUE | PDO::FETCH_NUM);
	same([], array_diff([$ben, $visitor, $json, $gone], array_keys($left)));
	same(4, count($left));
	same(true, abs($left[$ben][0]) < 60);
	same(['rice' => 1], json_decode(base64_decode($left[$json][1]), true)['cart']);
	unset($data['cart']['pot']);
	same($data, unserialize(base64_decode($left[$ben][1])));
	query('DROP TABLE moved, sessions');
	query("SELECT session_revoke_user(u) FROM unnest('{7,8,10}'::text[]) AS u");
}

function test_the_start_for_cookies_of_laravel(): void
{
	query('SELECT FROM session_create(?, ?, token => ?)', ['7', '{"user_id": 7, "cart": ["tea"]}', $id = str_repeat('L', 40)]);
	$key = random_bytes(32);
	$code = str_replace(["__DIR__ . '/src", "\$_ENV['APP_KEY']"], ["'" . dirname(__DIR__) . '/src', var_export('base64:' . base64_encode($key), true)],
		blocks('laravel')[0]);
	$server = new Server(str_replace("session_start(isset", "$code session_start(isset", application()));
	$browser = new Browser($server);
	$browser->more = 'laravel_session=' . rawurlencode(laravel_cookie($id, 'laravel_session', $key)) . '; ';
	same(['tea'], $browser->json('GET', '/cart'));
	same($id, $browser->id());
	$browser->more = 'laravel_session=' . $id . '; ';
	same(['tea'], $browser->json('GET', '/cart'));
	$browser->send('POST', '/login', ['name' => 'ada']);
	same(64, strlen($browser->id()));
	same([], (new Browser($server, $id))->json('GET', '/cart'));
	query("SELECT session_revoke_user('ada')");
	$thief = new Browser($server);
	$thief->more = 'laravel_session=' . $id . '; ';
	same([], $thief->json('GET', '/cart'));
}

function test_no_id_is_in_an_error_or_a_trace(): void
{
	$handler = handler();
	$id = request($handler, null, function () { $_SESSION['a'] = 1; });
	query('ALTER ROLE ' . ROLE . ' SET session.foreign_tokens = off');
	$other = handler();
	query('ALTER ROLE ' . ROLE . ' SET session.foreign_tokens = on');
	$new = $other->create_sid();
	$error = throws(PDOException::class, fn() => $other->write($new, 'a:1:{s:1:"a";i:1;}'));
	same('55000', $error->getCode());
	same(false, str_contains((string) $error, $new));
	same(false, str_contains(print_r($error->getTrace(), true), $new));
}

function test_the_application_of_the_readme(): void
{
	$server = new Server(application());
	$ada = new Browser($server);
	same([], $ada->json('GET', '/cart'));
	$ada->send('POST', '/cart', ['item' => 'tea']);
	$visitor = $ada->id();
	$ada->send('POST', '/login', ['name' => 'ada']);
	same(false, $ada->id() === $visitor);
	same(1, preg_match('/HttpOnly; SameSite=Lax/', $ada->cookieLine));
	same(['tea'], $ada->json('GET', '/cart'));
	same([['ada', 'active', '127.0.0.1', 'Firefox/145']], query(rtrim(blocks('list')[0], "; \n")
		. " WHERE status = 'active'")->fetchAll(PDO::FETCH_NUM));
	$ben = new Browser($server);
	$ben->send('POST', '/login', ['name' => 'ben']);
	same([true], array_column($ada->json('GET', '/devices'), 'current'));
	same('', $ada->refused(403, 'POST', '/pay'));
	$ada->refused(401, 'POST', '/second-factor', ['code' => 'wrong']);
	$ada->send('POST', '/second-factor', ['code' => '123']);
	same('paid', $ada->send('POST', '/pay'));
	$ada->send('POST', '/notes', ['body' => "ada's"]);
	$ben->send('POST', '/notes', ['body' => "ben's"]);
	same(["ada's"], $ada->json('GET', '/notes'));
	same(["ben's"], $ben->json('GET', '/notes'));
	same([], (new Browser($server))->json('GET', '/notes'));
	$attacker = new Browser($server, $visitor);
	same([], $attacker->json('GET', '/cart'));
	$key = $ada->id();
	$ada->send('POST', '/logout');
	same('revoked', status($key));
	query("SELECT session_revoke_user('ben')");
	same([], $ben->json('GET', '/notes'));
	$browsers = array_map(fn() => new Browser($server), range(1, 2));
	foreach ($browsers as $browser)
		$browser->send('POST', '/login', ['name' => 'ben']);
	same(2, count($browsers[0]->json('GET', '/devices')));
	$browsers[0]->send('POST', '/logout-everywhere');
	foreach ($browsers as $browser)
		same('revoked', status($browser->id()));
}

function test_two_requests_run_at_the_same_time(): void
{
	foreach ([0, 5] as $lock) {
		$server = new Server(application("	case 'GET /wait':
			query_gate(\$db);
			\$_SESSION['waited'] = true;
			break;\n	case 'GET /read':
			break;\n", $lock));
		$browser = new Browser($server);
		$browser->send('POST', '/cart', ['item' => 'tea']);
		$gate = connect(DATABASE);
		$gate->query('SELECT pg_advisory_lock(1)');
		$slow = $browser->begin('GET', '/wait');
		wait_for("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted", 1);
		if ($lock === 0)
			$browser->send('POST', '/cart', ['item' => 'cups']);
		else {
			same(['tea'], $browser->json('GET', '/cart?read'));
			$second = $browser->begin('POST', '/cart', ['item' => 'cups']);
			wait_for("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted", 2);
		}
		$gate->query('SELECT pg_advisory_unlock(1)');
		$browser->finish($slow);
		if ($lock > 0)
			$browser->finish($second);
		same(['cart' => ['tea', 'cups'], 'waited' => true], json_decode(row($browser->id())['data'], true));
	}
}

exit(run_tests());
