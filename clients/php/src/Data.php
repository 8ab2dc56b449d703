<?php
declare(strict_types=1);

namespace Session;

/**
 * The data of a session: what PHP serializes, as the JSON object that the row has.
 *
 * A value that JSON can hold is JSON. An array whose keys jsonb would put in another
 * order also has the list of its keys, "_keys". Any other value, such as an object or
 * bytes, is {"_php": base64 of serialize()}. Data of another serialize_handler than
 * php_serialize, and data with references, is one such object as a whole. What is read
 * is exactly what was written. Nothing here makes objects of what was stored.
 */
final class Data
{
	private const ENCODED = '_php';
	private const ORDER = '_keys';

	/** Returns the JSON of each key, or null if the data is encoded as a whole. */
	public static function split(string $data): ?array
	{
		if (ini_get('session.serialize_handler') !== 'php_serialize')
			return null;
		$all = @unserialize($data, ['allowed_classes' => false]);
		if (!is_array($all) || array_key_exists(self::ENCODED, $all))
			return null;
		$parts = [];
		$rebuilt = '';
		foreach ($all as $key => $value) {
			if (!self::isText((string) $key))
				return null;
			$text = serialize($value);
			$rebuilt .= serialize($key) . $text;
			$parts[$key] = self::encode($value, $text);
		}
		return 'a:' . count($all) . ":{{$rebuilt}}" === $data ? $parts : null;
	}

	/** Returns the data as one JSON object. */
	public static function json(string $data, ?array $parts): string
	{
		return $parts === null ? self::wrap($data) : self::object($parts);
	}

	/** Returns a JSON object of the JSON of each key. */
	public static function object(array $parts): string
	{
		$members = [];
		foreach ($parts as $key => $json)
			$members[] = json_encode((string) $key, JSON_THROW_ON_ERROR) . ": $json";
		return '{' . implode(', ', $members) . '}';
	}

	/**
	 * Returns what PHP reads, of the JSON object of a row. $whole becomes whether the data is
	 * encoded as a whole, and so has to be written as a whole.
	 */
	public static function read(string $json, ?bool &$whole = null): string
	{
		$stored = json_decode($json, true, 1024, JSON_THROW_ON_ERROR);
		$whole = self::isEncoded($stored);
		if ($whole)
			return base64_decode($stored[self::ENCODED]);
		if ($stored === [])
			return '';
		$all = ini_get('session.serialize_handler') === 'php_serialize';
		$text = '';
		foreach ($stored as $key => $value) {
			$part = self::isEncoded($value) ? base64_decode($value[self::ENCODED])
				: serialize(self::ordered($value));
			$text .= ($all ? serialize($key) : "$key|") . $part;
		}
		return $all ? 'a:' . count($stored) . ":{{$text}}" : $text;
	}

	private static function encode(mixed $value, string $text): string
	{
		$json = self::isEncoded($value) || !self::isPlain($value) ? false
			: json_encode(self::withOrder($value), JSON_PRESERVE_ZERO_FRACTION | JSON_UNESCAPED_UNICODE);
		return $json !== false && serialize(self::ordered(json_decode($json, true))) === $text ? $json
			: self::wrap($text);
	}

	private static function wrap(string $text): string
	{
		return json_encode([self::ENCODED => base64_encode($text)], JSON_THROW_ON_ERROR);
	}

	private static function isEncoded(mixed $value): bool
	{
		return is_array($value) && array_keys($value) === [self::ENCODED]
			&& is_string($value[self::ENCODED]);
	}

	/** Returns whether jsonb returns the value as it was stored. */
	private static function isPlain(mixed $value): bool
	{
		if (is_string($value))
			return self::isText($value);
		// A number of 16 digits comes back without its exponent, as an integer.
		if (is_float($value))
			return abs($value) < 1e15 && ($value != 0.0 || fdiv(1, $value) > 0);
		if (!is_array($value))
			return !is_object($value) && !is_resource($value);
		foreach ($value as $key => $part)
			if ($key === self::ORDER || !self::isText((string) $key) || !self::isPlain($part))
				return false;
		return true;
	}

	/** Adds the keys of each array whose keys jsonb would put in another order. */
	private static function withOrder(mixed $value): mixed
	{
		if (!is_array($value))
			return $value;
		$keys = array_map('strval', array_keys($value));
		$marked = array_map(self::withOrder(...), $value);
		if (!array_is_list($value) && !self::isSorted($keys))
			$marked[self::ORDER] = $keys;
		return $marked;
	}

	/** Puts the keys of each array in the order that withOrder() has added. */
	private static function ordered(mixed $value): mixed
	{
		if (!is_array($value))
			return $value;
		$order = $value[self::ORDER] ?? null;
		if (is_array($order)) {
			unset($value[self::ORDER]);
			$known = array_flip(array_filter($order, 'is_string'));
			$value = array_replace(array_intersect_key($known, $value), $value);
		}
		return array_map(self::ordered(...), $value);
	}

	/** Returns whether jsonb leaves the keys of an object in this order. */
	private static function isSorted(array $keys): bool
	{
		$sorted = $keys;
		usort($sorted, fn($a, $b) => strlen($a) <=> strlen($b) ?: strcmp($a, $b));
		return $sorted === $keys;
	}

	private static function isText(string $value): bool
	{
		return !str_contains($value, "\0") && preg_match('//u', $value) === 1;
	}
}
