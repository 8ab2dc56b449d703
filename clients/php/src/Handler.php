<?php
declare(strict_types=1);

namespace Session;

use Closure;
use LogicException;
use PDO;
use PDOStatement;
use RuntimeException;
use SensitiveParameter;
use SessionHandlerInterface;
use SessionIdInterface;
use SessionUpdateTimestampHandlerInterface;

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
 * - Ids are parameters, and never part of the text of a statement.
 */
final class Handler implements SessionHandlerInterface, SessionIdInterface,
	SessionUpdateTimestampHandlerInterface
{
	public const VERSION = '1.0.0';

	private const CLIENT = 'ip => session_ip(?, ?), user_agent => ?';
	private const LOAD = 'SELECT id, user_id, data::text AS data
		FROM session_validate(?, ' . self::CLIENT . ')';
	private const CREATE = 'SELECT id
		FROM session_create(?, ?::jsonb, ' . self::CLIENT . ',
			lifetime => make_interval(secs => ?), sliding => true, token => ?)';
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

	/** @var array<string, true> ids that create_sid() has made and that have no row */
	private array $made = [];
	/** The row of the session that is open, or null. */
	private ?array $row = null;
	/** What validateId() has loaded, for the read() that follows. */
	private ?string $loaded = null;
	private ?\PDOException $error = null;
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
	}

	/** Makes this the handler of session_start(), with the settings that it needs. */
	public function register(): self
	{
		ini_set('session.use_strict_mode', '1');
		ini_set('session.serialize_handler', 'php_serialize');
		ini_set('session.cookie_httponly', '1');
		if (ini_get('session.cookie_samesite') === '')
			ini_set('session.cookie_samesite', 'Lax');
		session_set_save_handler($this, true);
		return $this;
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
		$token = session_id() === '' ? null : session_id();
		return (bool) $this->run('SELECT COALESCE(session_authenticate(?, ' . self::CLIENT . '), false)',
			[$token, ...$this->client()], $database)->fetchColumn();
	}

	public function open(string $path, string $name): bool
	{
		if (!ini_get('session.use_strict_mode'))
			throw new RuntimeException('session.use_strict_mode must be on');
		return true;
	}

	public function create_sid(): string
	{
		$token = bin2hex(random_bytes(32));
		$this->made[$token] = true;
		$this->id = null;
		return $token;
	}

	public function validateId(#[SensitiveParameter] string $id): bool
	{
		try {
			return $this->load($id);
		} catch (\PDOException $error) {
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
		if (isset($this->made[$id]))
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
		if (!isset($this->made[$id]))
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
		if (isset($this->made[$id]) || preg_match('/\A[!-~]+\z/', $id) !== 1)
			return false;
		if ($this->lock > 0 && $this->locked === null && !self::isReadOnly())
			$this->lock($id);
		$row = $this->run(self::LOAD, [$id, ...$this->client()])->fetch(PDO::FETCH_ASSOC);
		if ($row === false)
			return false;
		$this->loaded = Data::read($row['data']);
		$this->row = ['user_id' => $row['user_id'], 'parts' => Data::split($this->loaded)];
		[$this->token, $this->id] = [$id, $row['id']];
		return true;
	}

	private function store(#[SensitiveParameter] string $id, string $data, ?array $parts, ?string $user): bool
	{
		$lifetime = $this->lifetime ?? (int) ini_get('session.gc_maxlifetime');
		$this->id = $this->run(self::CREATE, [$user, Data::json($data, $parts),
			...$this->client(), max(1, $lifetime), $id])->fetchColumn();
		unset($this->made[$id]);
		[$this->token, $this->row] = [$id, ['user_id' => $user, 'parts' => $parts]];
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
		} catch (\PDOException $error) {
			$this->locked = null;
			throw $error;
		}
	}

	/** Returns whether session_start(['read_and_close' => true]) is running. */
	private static function isReadOnly(): bool
	{
		foreach (debug_backtrace(DEBUG_BACKTRACE_PROVIDE_OBJECT) as $frame)
			if ($frame['function'] === 'session_start')
				return !empty($frame['args'][0]['read_and_close']);
		return false;
	}

	private function userId(): ?string
	{
		$user = match (true) {
			$this->user === null => null,
			is_string($this->user) => $_SESSION[$this->user] ?? null,
			default => ($this->user)($_SESSION ?? []),
		};
		return $user === null ? null : (string) $user;
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
		$statement = ($database ?? $this->database())->prepare($sql, [
			PDO::ATTR_EMULATE_PREPARES => false,
			self::withoutPrepare() => true,
		]);
		$statement->execute($values);
		return $statement;
	}

	private function database(): PDO
	{
		if ($this->database instanceof Closure) {
			$this->database = ($this->database)();
			$this->database->setAttribute(PDO::ATTR_ERRMODE, PDO::ERRMODE_EXCEPTION);
		}
		return $this->database;
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
		$this->row = $this->loaded = $this->token = $this->error = null;
	}
}
