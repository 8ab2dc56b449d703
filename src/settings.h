/*
 * settings.h
 *	  The settings of the extension that several modules share.
 *
 * Times are in seconds and sizes in bytes, as the settings' units say.
 */
#ifndef SESSION_SETTINGS_H
#define SESSION_SETTINGS_H

typedef enum SessionOnLimit
{
	SESSION_LIMIT_EVICT,
	SESSION_LIMIT_REJECT
} SessionOnLimit;

typedef enum SessionBindIp
{
	SESSION_BIND_OFF,
	SESSION_BIND_SUBNET,
	SESSION_BIND_EXACT
} SessionBindIp;

typedef enum SessionStoreIp
{
	SESSION_STORE_IP_FULL,
	SESSION_STORE_IP_SUBNET,
	SESSION_STORE_IP_OFF
} SessionStoreIp;

typedef enum SessionOnMismatch
{
	SESSION_MISMATCH_REJECT,
	SESSION_MISMATCH_REVOKE
} SessionOnMismatch;

typedef enum SessionStrategy
{
	SESSION_STRATEGY_DATABASE,
	SESSION_STRATEGY_COOKIE_CACHE,
	SESSION_STRATEGY_STATELESS
} SessionStrategy;

typedef enum SessionOnInvalid
{
	SESSION_INVALID_ANONYMOUS,
	SESSION_INVALID_REJECT
} SessionOnInvalid;

/* Which requests of pages of other origins are refused. */
typedef enum SessionCsrf
{
	SESSION_CSRF_OFF,
	SESSION_CSRF_SAME_ORIGIN,	/* those that a browser says come from there */
	SESSION_CSRF_TOKEN			/* also those with a cookie and no token */
} SessionCsrf;

/* Encodings of a cookie, by the names of their codecs. */
typedef enum SessionEncoding
{
	SESSION_ENCODING_COMPACT,
	SESSION_ENCODING_JWT,
	SESSION_ENCODING_JWE,
	SESSION_ENCODING_SEALED
} SessionEncoding;

/* Enums are int, because the server stores enum settings as int. */
typedef struct SessionSettings
{
	int			lifetime;
	int			idle_timeout;	/* 0 = none */
	int			max_lifetime;	/* 0 = none */
	bool		sliding;
	int			update_age;		/* 0 = every time */

	int			max_sessions;	/* 0 = no limit */
	int			max_derived;	/* from one session; 0 = none */
	int			on_limit;		/* SessionOnLimit */
	int			bind_ip;		/* SessionBindIp */
	int			bind_ip_prefix_v4;
	int			bind_ip_prefix_v6;
	bool		bind_user_agent;
	char	   *risk_function;
	char	   *act_as_function;
	int			store_ip;		/* SessionStoreIp */
	int			on_mismatch;	/* SessionOnMismatch */
	int			max_data_size;

	bool		foreign_tokens;
	int			access_lifetime;
	int			refresh_lifetime;
	int			refresh_grace;

	char	   *cookie_name;
	char	   *cookie_path;
	char	   *cookie_domain;
	bool		cookie_secure;
	bool		cookie_http_only;
	int			cookie_same_site;	/* SessionSameSite */
	int			cookie_encoding;	/* SessionEncoding */
	int			cookie_cache_ttl;
	int			bound_cookie_ttl;
	int			dbsc_grace;
	char	   *public_url;
	int			dpop_window;
	bool		dpop_nonce;
	int			dpop_size;		/* proofs in shared memory */
	char	   *claims_function;

	int			strategy;		/* SessionStrategy */
	char	   *sensitive_paths;
	char	   *token_header;
	char	   *client_ip_header;
	char	   *authenticated_role;
	int			on_invalid;		/* SessionOnInvalid */
	bool		live_identity;
	int			csrf;			/* SessionCsrf */

	char	   *master_key_file;
	char	   *master_key_command;
	bool		encrypt_data;
	int			key_lead;

	int			activity_size;	/* entries in shared memory */
	int			naptime;
	int			cleanup_interval;
	int			cleanup_batch;
	double		cleanup_pace;	/* rest, as a multiple of the work */
	int			revoked_retention;

	bool		redact_log;
	bool		notify;
	int			event_retention;	/* 0 = for ever */
	int			failure_threshold;	/* 0 = any number */
} SessionSettings;

extern SessionSettings session_settings;

/* Defines the settings; called once, from _PG_init. */
extern void session_settings_init(void);

#endif							/* SESSION_SETTINGS_H */
