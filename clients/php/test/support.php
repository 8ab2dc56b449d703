<?php
declare(strict_types=1);

// What the tests have in common: the database, the code of README.md, a web server and
// a browser.

const ROLE = 'session_php';
const DATABASE = 'session_php';

function connect(string $database, ?string $user = null): PDO
{
	return new PDO(dsn($database, $user ?? (getenv('PGUSER') ?: 'postgres')));
}

function dsn(string $database, string $user): string
{
	$port = getenv('PGPORT') ?: '5432';
	return 'pgsql:host=' . getenv('PGHOST') . ";port=$port;dbname=$database;user=$user";
}

/** Runs a statement as the owner of the database. */
function query(string $sql, array $values = []): PDOStatement
{
	static $db = null;
	if ($db === null) {
		$db = connect(DATABASE);
		$db->exec('SET session.foreign_tokens = on');
	}
	$statement = $db->prepare($sql);
	$statement->execute($values);
	return $statement;
}

function wait_for(string $sql, mixed $expected): void
{
	$end = microtime(true) + 20;
	while (query($sql)->fetchColumn() !== $expected) {
		if (microtime(true) > $end)
			throw new Exception("not reached: $sql");
		usleep(5000);
	}
}

/** Returns the code of README.md that is marked with a name. */
function blocks(string $name): array
{
	preg_match_all("/<!-- test: $name -->\\n *```\\w+\\n(.*?)```/s",
		file_get_contents(__DIR__ . '/../README.md'), $found);
	if ($found[1] === [])
		throw new Exception("no block $name");
	return array_map(fn($code) => preg_replace('/^ {3}/m', '', rtrim($code, ' ')), $found[1]);
}

/** Returns the application of README.md, with further routes. */
function application(string $routes = '', int $lock = 0): string
{
	$start = str_replace(["__DIR__ . '/src", "'pgsql:dbname=shop;user=shop'"],
		["'" . dirname(__DIR__) . '/src', var_export(dsn(DATABASE, ROLE), true)],
		str_replace('   ', '', blocks('start')[0]), $count);
	if ($count !== 2)
		throw new Exception('the start has changed');
	if ($lock > 0)
		$start = preg_replace('/\$sessions = .*\n/', blocks('lock')[0], $start);
	$start = str_replace('session_start();',
		"session_start(isset(\$_GET['read']) ? ['read_and_close' => true] : []);", $start);
	$gate = "function correct(string \$user, string \$code): bool
	{
		return \$code === '123';
	}
	function query_gate(PDO \$db): void
	{
		\$db->query('SELECT pg_advisory_lock(1)');
		\$db->query('SELECT pg_advisory_unlock(1)');
	}\n";
	return $start . $gate . str_replace("	default:\n", "$routes	default:\n", blocks('app')[0]);
}

/** PHP's web server with one application. */
final class Server
{
	public readonly int $port;
	private mixed $process;
	private string $folder;

	public function __construct(string $code)
	{
		$this->folder = sys_get_temp_dir() . '/session-php.' . bin2hex(random_bytes(6));
		mkdir($this->folder, 0700);
		file_put_contents("{$this->folder}/app.php", $code);
		$free = stream_socket_server('tcp://127.0.0.1:0');
		$this->port = (int) substr(strrchr(stream_socket_get_name($free, false), ':'), 1);
		fclose($free);
		$this->process = proc_open([PHP_BINARY, '-d', 'opcache.enable=0', '-S', "127.0.0.1:{$this->port}",
			"{$this->folder}/app.php"], [['file', '/dev/null', 'r'], ['file', '/dev/null', 'w'],
			['file', "{$this->folder}/log", 'w']], $pipes, null,
			['PHP_CLI_SERVER_WORKERS' => '3'] + getenv());
		$end = microtime(true) + 20;
		while (!($connection = @stream_socket_client("tcp://127.0.0.1:{$this->port}"))) {
			if (microtime(true) > $end)
				throw new Exception('the web server does not start');
			usleep(5000);
		}
		fclose($connection);
	}

	public function __destruct()
	{
		$pid = proc_get_status($this->process)['pid'];
		foreach (explode(' ', trim((string) @file_get_contents("/proc/$pid/task/$pid/children"))) as $child)
			if ($child !== '')
				posix_kill((int) $child, 15);
		proc_terminate($this->process);
		proc_close($this->process);
		unlink("{$this->folder}/app.php");
		unlink("{$this->folder}/log");
		rmdir($this->folder);
	}

	public function log(): string
	{
		return file_get_contents("{$this->folder}/log");
	}
}

final class Browser
{
	public string $cookieLine = '';
	/** Other cookies that the browser has. */
	public string $more = '';

	public function __construct(private Server $server, private ?string $cookie = null)
	{
	}

	public function id(): ?string
	{
		return $this->cookie;
	}

	/** Sends a request, and returns the connection without reading the answer. */
	public function begin(string $method, string $path, array $form = []): mixed
	{
		$connection = stream_socket_client("tcp://127.0.0.1:{$this->server->port}");
		$body = http_build_query($form);
		$cookies = $this->more . ($this->cookie === null ? '' : "PHPSESSID={$this->cookie}");
		$cookie = $cookies === '' ? '' : 'Cookie: ' . rtrim($cookies, '; ') . "\r\n";
		fwrite($connection, "$method $path HTTP/1.0\r\nHost: localhost\r\nUser-Agent: Firefox/145\r\n{$cookie}"
			. "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: " . strlen($body)
			. "\r\n\r\n$body");
		return $connection;
	}

	/** Reads the answer. Returns its body. */
	public function finish(mixed $connection, int $status = 200): string
	{
		[$head, $body] = explode("\r\n\r\n", stream_get_contents($connection), 2) + ['', ''];
		if (!str_contains(strtok($head, "\r\n"), " $status ") || str_contains($body, 'Warning'))
			throw new Exception("$head\n$body\n" . $this->server->log());
		if (preg_match('/^Set-Cookie: (PHPSESSID=([^;]*).*)$/mi', $head, $found))
			[, $this->cookieLine, $this->cookie] = array_map('trim', $found);
		return $body;
	}

	public function send(string $method, string $path, array $form = []): string
	{
		return $this->finish($this->begin($method, $path, $form));
	}

	/** Sends a request that is answered with another status than 200. */
	public function refused(int $status, string $method, string $path, array $form = []): string
	{
		return $this->finish($this->begin($method, $path, $form), $status);
	}

	public function json(string $method, string $path): mixed
	{
		return json_decode($this->send($method, $path), true, 9, JSON_THROW_ON_ERROR);
	}
}

function same(mixed $expected, mixed $actual): void
{
	if ($expected !== $actual)
		throw new Exception('expected ' . var_export($expected, true) . ', got ' . var_export($actual, true));
}

function throws(string $class, Closure $work): Throwable
{
	try {
		$work();
	} catch (Throwable $error) {
		if ($error instanceof $class)
			return $error;
		throw $error;
	}
	throw new Exception("no $class");
}

/** Runs what warns, and asserts that it does. */
function silent(Closure $work): mixed
{
	$warnings = [];
	set_error_handler(function (int $level, string $text) use (&$warnings) {
		$warnings[] = $text;
		return true;
	});
	try {
		$result = $work();
	} finally {
		restore_error_handler();
	}
	if (!preg_grep('/^session: the session has ended/', $warnings))
		throw new Exception('no warning');
	return $result;
}

/** Runs each function test_*. Prints TAP on the stream: output would send headers. */
function run_tests(): int
{
	$server = connect(getenv('PGDATABASE') ?: 'postgres');
	$drop = ['DROP DATABASE IF EXISTS ' . DATABASE . ' WITH (FORCE)', 'DROP ROLE IF EXISTS ' . ROLE];
	foreach ([...$drop, 'CREATE DATABASE ' . DATABASE, 'CREATE ROLE ' . ROLE . ' LOGIN'] as $sql)
		$server->exec($sql);
	foreach (blocks('sql') as $sql)
		connect(DATABASE)->exec(preg_replace('/\bshop\b/', ROLE, $sql));
	set_error_handler(fn(int $level, string $text, string $file, int $line) =>
		error_reporting() & $level ? throw new ErrorException($text, 0, $level, $file, $line) : true);
	ini_set('session.use_cookies', '0');
	ini_set('session.cache_limiter', '');
	$count = $failed = 0;
	foreach (get_defined_functions()['user'] as $test) {
		if (!str_starts_with($test, 'test_'))
			continue;
		$name = str_replace('_', ' ', substr($test, 5));
		$ok = 'ok';
		try {
			$test();
		} catch (Throwable $error) {
			$ok = 'not ok';
			$failed++;
		}
		if (session_status() === PHP_SESSION_ACTIVE)
			session_abort();
		fwrite(STDOUT, "$ok " . ++$count . " - php: $name\n");
		if ($ok !== 'ok')
			fwrite(STDOUT, preg_replace('/^/m', '# ', (string) $error) . "\n");
		unset($error);
		gc_collect_cycles();
	}
	foreach ($drop as $sql)
		$server->exec($sql);
	fwrite(STDOUT, "1..$count\n");
	return $failed === 0 && $count > 0 ? 0 : 1;
}
