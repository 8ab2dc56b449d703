<?php
declare(strict_types=1);

namespace Session;

use SensitiveParameter;

/**
 * Returns the id of a session of Laravel 8 to 12, which is encrypted in its cookie, or null
 * if the key has not made it: APP_KEY with the cipher aes-256-cbc, Laravel's default.
 *
 * @param string|null $cookie $_COOKIE[$name]
 * @param string $name the name of the cookie, which is part of what is encrypted
 * @param string $key APP_KEY, with its "base64:"
 */
function laravel_id(#[SensitiveParameter] ?string $cookie, string $name,
	#[SensitiveParameter] string $key): ?string
{
	$key = str_starts_with($key, 'base64:') ? base64_decode(substr($key, 7), true) : $key;
	if (!is_string($key) || strlen($key) !== 32)
		throw new \InvalidArgumentException('key must be an APP_KEY of Laravel: 32 bytes, or '
			. '"base64:" and their base64');
	$sealed = json_decode((string) base64_decode((string) $cookie, true), true, 3);
	foreach (['iv', 'value', 'mac'] as $member)
		if (!is_string($sealed[$member] ?? null))
			return null;
	if (!hash_equals(hash_hmac('sha256', $sealed['iv'] . $sealed['value'], $key), $sealed['mac']))
		return null;
	$text = openssl_decrypt($sealed['value'], 'aes-256-cbc', $key, 0, (string) base64_decode($sealed['iv']));
	$mark = hash_hmac('sha1', $name . 'v2', $key) . '|';
	return is_string($text) && str_starts_with($text, $mark) ? substr($text, strlen($mark)) : null;
}
