<?php
declare(strict_types=1);

// Copies the live sessions of PHP's own files, so that users stay logged in:
//
//   php import-files.php DSN FOLDER [KEY]
//
// FOLDER is session.save_path. KEY is the key of $_SESSION that has the user's id. A
// file is live for session.gc_maxlifetime after its last change: pass the
// application's with -d, and session.serialize_handler, if php.ini does not have them.
//
// - No file is changed, and no object of the application is made.
// - When the users have logged in is not known: session_require(max_age => ...) asks them
//   to do it again.
// - What has been copied before, or has ended since, is left.

require __DIR__ . '/src/Data.php';

use Session\Data;

if ($argc < 3)
	exit("usage: php import-files.php DSN FOLDER [KEY]\n");
[, $dsn, $folder] = $argv;
$key = $argv[3] ?? null;

// Gives PHP the text of a file. PHP destroys a session that it cannot decode.
$source = new class implements SessionHandlerInterface {
	public string $text;
	public bool $destroyed;

	public function open(string $path, string $name): bool
	{
		$this->destroyed = false;
		return true;
	}

	public function read(string $id): string
	{
		return $this->text;
	}

	public function destroy(string $id): bool
	{
		$this->destroyed = true;
		return true;
	}

	public function write(string $id, string $data): bool
	{
		return true;
	}

	public function close(): bool
	{
		return true;
	}

	public function gc(int $max_lifetime): int|false
	{
		return 0;
	}
};
$written = ini_get('session.serialize_handler');
ini_set('session.use_cookies', '0');
ini_set('session.use_strict_mode', '0');
ini_set('session.cache_limiter', '');
session_set_save_handler($source, false);

$db = new PDO($dsn);
$create = $db->prepare('SELECT id FROM session_create(?, ?::jsonb,
	lifetime => make_interval(secs => ?), sliding => true, max_sessions => 0, token => ?,
	authenticated_at => to_timestamp(0))');
$lifetime = (int) ini_get('session.gc_maxlifetime');
$copied = 0;
foreach (new FilesystemIterator($folder) as $file) {
	if (!preg_match('/^sess_([-,a-zA-Z0-9]+)$/D', $file->getFilename(), $found)
		|| $file->getMTime() + $lifetime <= time())
		continue;
	$source->text = file_get_contents($file->getPathname());
	if ($source->text === '')
		continue;
	ini_set('session.serialize_handler', $written);
	session_id($found[1]);
	@session_start(['read_and_close' => true]);
	if ($source->destroyed) {
		fwrite(STDERR, "a file could not be read: its data needs a class, or has another serialize_handler\n");
		continue;
	}
	ini_set('session.serialize_handler', 'php_serialize');
	$data = serialize($_SESSION);
	$user = $key === null ? null : $_SESSION[$key] ?? null;
	try {
		$create->execute([is_scalar($user) ? (string) $user : null,
			Data::json($data, Data::split($data)), $lifetime, $found[1]]);
		$copied++;
	} catch (PDOException $error) {
		if ($error->getCode() !== '23505')
			throw $error;
	}
}
echo "copied $copied sessions\n";
