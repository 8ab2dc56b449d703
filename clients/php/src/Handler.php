<?php
declare(strict_types=1);

namespace Session;

use Closure;
use InvalidArgumentException;
use LogicException;
use PDO;
use PDOException;
use PDOStatement;
use RuntimeException;
use SensitiveParameter;
use SessionHandlerInterface;
use SessionIdInterface;
use SessionUpdateTimestampHandlerInterface;
use Stringable;
use Throwable;

require_once __DIR__ . '/Data.php';

/**
 * The session handler of PHP, on the functions of the extension.
 *
 * Rules:
 * - The id of a session is a foreign token that create_sid() has made. An id that came
 *   from a client never becomes that of a new session.
 * - A session is stored when there is something to store.
 * - A session that has ended is not written again.
 * - A write changes the keys that have changed. So parallel requests that change
 *   different keys keep both changes, without a lock.
 * - What the user has proven, and when, stays with a new id, unless stepUp() or a login
 *   says more.
 * - Ids are parameters, and never part of the text of a statement.
 * - A mistake of the programmer is an exception that names the argument or the setting.
 */
final class Handler implements SessionHandlerInterface, SessionIdInterface,
	SessionUpdateTimestampHandlerInterface
{
	public const VERSION = '1.0.0';

	private const CLIENT = 'ip => session_ip(?, ?), user_agent => ?';
	private const LOAD = 'SELECT id, user_id, data::text AS data, auth_level,
			to_json(amr)::text AS amr, extract(epoch FROM authenticated_at)::text AS authenticated_at
		FROM session_validate(?, ' . self::CLIENT . ')';
	private const CREATE = 'SELECT id
		FROM session_create(?, ?::jsonb, ' . self::CLIENT . ',
			lifetime => make_interval(secs => ?), sliding => true, token => ?,
			auth_level => COALESCE(?::integer, 1),
			amr => (SELECT array_agg(a.method) FROM json_array_elements_text(?::json) AS a (method)),
			authenticated_at => LEAST(to_timestamp(?::float8), clock_timestamp()))';
	private const SAVE = 'SELECT session_data_save(?, ?::jsonb)';
	private const CHANGE = "SELECT
		COALESCE((SELECT bool_and(session_data_set(t.token, c.key, c.value))
			FROM jsonb_each(t.changed) AS c), true) AND
		COALESCE((SELECT bool_and(session_data_delete(t.token, g.key))
			FROM jsonb_array_elements_text(t.gone) AS g (key)), true)
		FROM (SELECT ?::text AS token, ?::jsonb AS changed, ?::jsonb AS gone) AS t";
	private const LOCK = "SELECT set_config('lock_timeout', ?, true), pg_advisory_lock(?::bigint)";

	/** The public id of the session, which may be logged; null before it is stored. */
	public ?string $id = null;

	/** @var array<string, ?array> ids that create_sid() has made and that have no row, with
	 *     the row of the session that goes on with the id, or null */
	private array $made = [];
	/** The row of the session that is open, or null. */
	private ?array $row = null;
	/** The row of the session that was open last. */
	private ?array $last = null;
	/** What stepUp() says that the user has proven. */
	private ?array $proven = null;
	private bool $opened = false;
	/** What validateId() has loaded, for the read() that follows. */
	private ?string $loaded = null;
	private ?Throwable $error = null;
	private ?string $token = null;
	private ?string $locked = null;

	/**
	 * @param PDO|Closure(): PDO $database the connection, or a function that makes it
	 * @param string|Closure|null $user the key of $_SESSION that has the id of the user,
	 *     or a function of $_SESSION that returns it, or null
	 * @param int|null $lifetime seconds that a session lives without a request;
	 *     null: session.gc_maxlifetime
	 * @param int $lock seconds to wait for another request of the session to end; 0: do
	 *     not wait
	 * @param int $proxies the number of your proxies that add to X-Forwarded-For; 0: the
	 *     address is REMOTE_ADDR
	 */
	public function __construct(
		#[SensitiveParameter] private PDO|Closure $database,
		private string|Closure|null $user = null,
		private ?int $lifetime = null,
		private int $lock = 0,
		private int $proxies = 0,
	) {
		foreach (['lifetime' => 1, 'lock' => 0, 'proxies' => 0] as $argument => $least)
			if ($this->$argument !== null && $this->$argument < $least)
				throw new InvalidArgumentException(
					"$argument must be $least or more: it is {$this->$argument}");
		if ($user === '')
			throw new InvalidArgumentException('user must be a key of $_SESSION, a function, or null');
		if ($database instanceof PDO)
			self::checkDriver($database);
	}

	/** Makes this the handler of session_start(), with the settings that it needs. */
	public function register(): self
	{
		if (session_status() === PHP_SESSION_ACTIVE)
			throw new LogicException('register() must be called before session_start(), and with '
				. 'session.auto_start off: a session is open already');
		if (headers_sent($file, $line))
			throw new LogicException('register() must be called before there is output: '
				. "it began in $file, line $line");
		ini_set('session.use_only_cookies', '1');
		ini_set('session.use_trans_sid', '0');
		ini_set('session.use_strict_mode', '1');
		ini_set('session.serialize_handler', 'php_serialize');
		ini_set('session.cookie_httponly', '1');
		if (ini_get('session.cookie_samesite') === '')
			ini_set('session.cookie_samesite', 'Lax');
		session_set_save_handler($this, true);
		return $this;
	}

	/**
	 * Records what the user has proven now, such as a second factor or the password again,
	 * and gives the session a new id. session_require() and policies know it from the next
	 * request on.
	 *
	 * @param int $authLevel the number of factors
	 * @param string[]|null $amr their methods, such as 'pwd' and 'otp'
	 */
	public function stepUp(int $authLevel = 1, ?array $amr = null): void
	{
		if (session_status() !== PHP_SESSION_ACTIVE)
			throw new LogicException('stepUp() needs an open session: call session_start() before');
		if ($this->userId() === null)
			throw new LogicException('stepUp() needs a user: set it in $_SESSION before');
		if ($authLevel < 0)
			throw new InvalidArgumentException("authLevel must be 0 or more: it is $authLevel");
		$proven = ['auth_level' => $authLevel, 'authenticated_at' => null,
			'amr' => $amr === null ? null : json_encode(array_values($amr), JSON_THROW_ON_ERROR)];
		if (!session_regenerate_id(true))
			throw new RuntimeException('the session could not get a new id');
		$this->proven = $proven;
	}

	/**
	 * Binds the session to the running transaction of a connection, for row-level
	 * security. Returns whether the session is live.
	 */
	public function bind(?PDO $database = null): bool
	{
		$database ??= $this->database();
		if (!$database->inTransaction())
			throw new LogicException('bind() needs a transaction: call beginTransaction() before');
		if (!$this->opened)
			throw new LogicException('bind() needs a session of this handler: call register() and '
				. 'session_start() before');
		$token = session_id() === '' ? null : session_id();
		return (bool) $this->run('SELECT COALESCE(session_authenticate(?, ' . self::CLIENT . '), false)',
			[$token, ...$this->client()], $database)->fetchColumn();
	}

	public function open(string $path, string $name): bool
	{
		if (!ini_get('session.use_strict_mode'))
			throw new RuntimeException('session.use_strict_mode must be on');
		$this->opened = true;
		$this->proven = null;
		return true;
	}

	public function create_sid(): string
	{
		$token = bin2hex(random_bytes(32));
		$this->made[$token] = self::isCalledBy('session_regenerate_id') ? $this->last : null;
		$this->id = null;
		return $token;
	}

	public function validateId(#[SensitiveParameter] string $id): bool
	{
		try {
			return $this->load($id);
		} catch (Throwable $error) {
			// PHP would go on with a new id. Let read() fail.
			$this->error = $error;
			return true;
		}
	}

	public function read(#[SensitiveParameter] string $id): string
	{
		if ($this->error !== null)
			throw $this->error;
		if ($this->loaded === null && !$this->load($id))
			return '';
		$data = $this->loaded;
		$this->loaded = null;
		return $data;
	}

	public function updateTimestamp(#[SensitiveParameter] string $id, string $data): bool
	{
		// The use of the session has started its lifetime again.
		return true;
	}

	public function write(#[SensitiveParameter] string $id, string $data): bool
	{
		$user = $this->userId();
		$parts = Data::split($data);
		if (array_key_exists($id, $this->made))
			return $data === '' || $parts === [] || $this->store($id, $data, $parts, $user);
		if ($this->row === null || $this->token !== $id)
			return $this->warn('the session has ended');
		if ($this->row['user_id'] !== $user) {
			$this->destroy($id);
			return $this->warn('the session has ended, because its user has changed: ' .
				'call session_regenerate_id(true) at the login and at the logout');
		}
		return $this->change($id, $data, $parts) || $this->warn('the session has ended');
	}

	public function destroy(#[SensitiveParameter] string $id): bool
	{
		if (!array_key_exists($id, $this->made))
			$this->run('SELECT session_revoke(?)', [$id]);
		unset($this->made[$id]);
		$this->forget();
		$this->id = null;
		return true;
	}

	public function close(): bool
	{
		if ($this->locked !== null)
			$this->run('SELECT pg_advisory_unlock(?::bigint)', [$this->locked]);
		$this->locked = null;
		$this->forget();
		return true;
	}

	/** A worker of the extension deletes the rows of ended sessions. */
	public function gc(int $max_lifetime): int|false
	{
		return 0;
	}

	/** Reads the session of an id. Returns whether it is live. */
	private function load(#[SensitiveParameter] string $id): bool
	{
		$this->forget();
		if (array_key_exists($id, $this->made) || preg_match('/\A[!-~]+\z/', $id) !== 1)
			return false;
		if ($this->lock > 0 && $this->locked === null && !self::isReadOnly())
			$this->lock($id);
		$row = $this->run(self::LOAD, [$id, ...$this->client()])->fetch(PDO::FETCH_ASSOC);
		if ($row === false)
			return false;
		$this->loaded = Data::read($row['data'], $whole);
		unset($row['data']);
		$this->row = ['parts' => $whole ? null : Data::split($this->loaded)] + $row;
		[$this->token, $this->id] = [$id, $row['id']];
		return true;
	}

	private function store(#[SensitiveParameter] string $id, string $data, ?array $parts, ?string $user): bool
	{
		$lifetime = $this->lifetime ?? (int) ini_get('session.gc_maxlifetime');
		$before = $this->made[$id];
		if ($before === null || $before['user_id'] !== $user)
			$before = ['auth_level' => null, 'amr' => null, 'authenticated_at' => null];
		$proven = $this->proven ?? $before;
		$this->id = $this->run(self::CREATE, [$user, Data::json($data, $parts),
			...$this->client(), max(1, $lifetime), $id, $user === null ? null : $proven['auth_level'],
			$proven['amr'], $proven['authenticated_at']])->fetchColumn();
		unset($this->made[$id]);
		[$this->token, $this->row] = [$id, ['user_id' => $user, 'parts' => $parts] + $proven];
		return true;
	}

	/** Writes what has changed. Returns whether the session is live. */
	private function change(#[SensitiveParameter] string $id, string $data, ?array $parts): bool
	{
		$before = $this->row['parts'];
		$this->row['parts'] = $parts;
		if ($parts === null || $before === null)
			return (bool) $this->run(self::SAVE, [$id, Data::json($data, $parts)])->fetchColumn();
		$changed = array_filter($parts, fn($json, $key) => ($before[$key] ?? null) !== $json,
			ARRAY_FILTER_USE_BOTH);
		$gone = array_map('strval', array_keys(array_diff_key($before, $parts)));
		return (bool) $this->run(self::CHANGE,
			[$id, Data::object($changed), json_encode($gone, JSON_THROW_ON_ERROR)])->fetchColumn();
	}

	private function lock(#[SensitiveParameter] string $id): void
	{
		$this->locked = (string) unpack('q', hash('sha256', "session $id", true))[1];
		try {
			$this->run(self::LOCK, [$this->lock . 's', $this->locked]);
		} catch (PDOException $error) {
			$this->locked = null;
			throw $error;
		}
	}

	/** Returns whether session_start(['read_and_close' => true]) is running. */
	private static function isReadOnly(): bool
	{
		$call = self::isCalledBy('session_start');
		return $call && !empty($call['args'][0]['read_and_close']);
	}

	/** Returns the call of a function of PHP that is running, or null. */
	private static function isCalledBy(string $function): ?array
	{
		foreach (debug_backtrace() as $frame)
			if ($frame['function'] === $function && !isset($frame['class']))
				return $frame;
		return null;
	}

	private function userId(): ?string
	{
		$user = match (true) {
			$this->user === null => null,
			is_string($this->user) => $_SESSION[$this->user] ?? null,
			default => ($this->user)($_SESSION ?? []),
		};
		if ($user === null)
			return null;
		$valid = is_int($user) || is_string($user) || $user instanceof Stringable;
		if (!$valid || (string) $user === '')
			throw new LogicException((is_string($this->user) ? "\$_SESSION['{$this->user}']"
				: 'what the function user returns') . ' must be the id of a user, an integer or a text '
				. 'that is not empty, or null: it is ' . ($valid ? 'empty' : get_debug_type($user)));
		return (string) $user;
	}

	/** Returns the address, the number of proxies and the user agent of the request. */
	private function client(): array
	{
		$address = $_SERVER[$this->proxies > 0 ? 'HTTP_X_FORWARDED_FOR' : 'REMOTE_ADDR'] ?? null;
		return array_map(fn($value) => is_string($value) ? self::utf8($value) : $value,
			[$address, max(1, $this->proxies), $_SERVER['HTTP_USER_AGENT'] ?? null]);
	}

	/** Returns the value of a header as the database accepts it. */
	private static function utf8(string $value): string
	{
		return preg_replace(preg_match('//u', $value) === 1 ? '/\0/' : '/[^ -~]/', '', $value);
	}

	private function run(string $sql, #[SensitiveParameter] array $values, ?PDO $database = null): PDOStatement
	{
		$database ??= $this->database();
		try {
			$statement = $database->prepare($sql, [
				PDO::ATTR_EMULATE_PREPARES => false,
				self::withoutPrepare() => true,
			]);
			// A connection whose ERRMODE is not EXCEPTION returns false.
			if ($statement === false || !$statement->execute($values))
				throw self::errorOf(($statement ?: $database)->errorInfo());
			return $statement;
		} catch (PDOException $error) {
			if ($error->getCode() !== '42883' || !str_contains($error->getMessage(), 'session_'))
				throw $error;
			throw new RuntimeException('the database does not have the functions of the extension '
				. '"session": run CREATE EXTENSION session in it, and put the schema of the extension '
				. "into the search_path of PHP's role", 0, $error);
		}
	}

	/** Returns the exception that PDO would have thrown. */
	private static function errorOf(array $info): PDOException
	{
		$error = new class("SQLSTATE[$info[0]]: $info[2]") extends PDOException {
			public function setState(array $info): void
			{
				[$this->errorInfo, $this->code] = [$info, $info[0]];
			}
		};
		$error->setState($info);
		return $error;
	}

	private function database(): PDO
	{
		if ($this->database instanceof Closure) {
			$made = ($this->database)();
			if (!$made instanceof PDO)
				throw new LogicException('the function database must return a PDO: it returned '
					. get_debug_type($made));
			self::checkDriver($made);
			$this->database = $made;
		}
		return $this->database;
	}

	private static function checkDriver(PDO $database): void
	{
		$driver = $database->getAttribute(PDO::ATTR_DRIVER_NAME);
		if ($driver !== 'pgsql')
			throw new InvalidArgumentException(
				"database must be a PDO of PostgreSQL: it is one of $driver");
	}

	/** The attribute that sends a statement and its parameters in one round trip. */
	private static function withoutPrepare(): int
	{
		return PHP_VERSION_ID >= 80400 ? constant('Pdo\Pgsql::ATTR_DISABLE_PREPARES')
			: PDO::PGSQL_ATTR_DISABLE_PREPARES;
	}

	private function warn(string $text): bool
	{
		trigger_error("session: $text", E_USER_WARNING);
		return false;
	}

	private function forget(): void
	{
		$this->last = $this->row ?? $this->last;
		$this->row = $this->loaded = $this->token = $this->error = null;
	}
}
