# A backend that serves one call after another does not grow.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('main');
$node->init;
$node->append_conf(
	'postgresql.conf', qq{
shared_preload_libraries = 'session'
log_statement = none
autovacuum = off
});
$node->start;

# The loop commits now and then, as a connection does, and measures itself:
# what it has in memory contexts, and what the operating system gave it.
$node->safe_psql(
	'postgres', q{
	CREATE EXTENSION session;
	CREATE TABLE measured (contexts bigint, resident bigint);

	CREATE PROCEDURE measure() LANGUAGE sql AS $$
		INSERT INTO public.measured
		SELECT (SELECT sum(total_bytes) FROM pg_backend_memory_contexts),
			   substring(pg_read_file('/proc/self/status')
						 FROM 'RssAnon:\s+(\d+)')::bigint * 1024;
	$$;

	CREATE PROCEDURE serve(call text, calls int) LANGUAGE plpgsql AS $$
	DECLARE
		token text := (SELECT token FROM session_create('alice', '{"k": 1}'));
	BEGIN
		FOR i IN 0 .. calls LOOP
			-- What every first call needs is not counted.
			IF i = 1000 THEN
				CALL measure();
			END IF;
			CASE call
				WHEN 'validate' THEN
					PERFORM FROM session_validate(token);
				WHEN 'read' THEN
					PERFORM session_status(token), session_data(token),
						session_data_get(token, 'k');
				WHEN 'refuse' THEN
					PERFORM FROM session_validate(overlay(token PLACING 'aaaaaaa' FROM 40));
					PERFORM FROM session_validate('no token');
				WHEN 'write' THEN
					PERFORM session_data_set(token, 'k', to_jsonb(i)),
						session_touch(token);
				WHEN 'live' THEN
					token := (SELECT c.token FROM session_create() AS c);
					token := (SELECT r.token FROM session_regenerate(token, 'bob') AS r);
					PERFORM session_revoke(token);
				WHEN 'list' THEN
					PERFORM FROM session_list('alice');
				WHEN 'purposes' THEN
					PERFORM session_cookie_decode('YQ.' || repeat('A', 43), 'p' || i);
			END CASE;
			IF i % 100 = 0 THEN
				COMMIT;
			END IF;
		END LOOP;
		CALL measure();
	END;
	$$;
});

sub does_not_grow
{
	my ($call, $calls, $title) = @_;
	my ($contexts, $resident) = split /\|/, $node->safe_psql(
		'postgres', qq{
		CALL serve('$call', $calls);
		SELECT max(contexts) - min(contexts), max(resident) - min(resident)
		FROM measured;
		TRUNCATE measured;
	});

	cmp_ok($contexts, '<', 64 * 1024,
		"$title: memory contexts do not grow over $calls calls");
	cmp_ok($resident, '<', 1024 * 1024,
		"$title: nor does the process");
}

does_not_grow('validate', 200_000, 'validating');
does_not_grow('read', 50_000, 'reading');
does_not_grow('refuse', 50_000, 'turning away');
does_not_grow('write', 20_000, 'writing');
does_not_grow('live', 10_000, 'creating, regenerating and revoking');
does_not_grow('list', 20_000, 'listing');
$node->safe_psql('postgres', q{SELECT count(session_key_retire(session_key_rotate('p1'))) FROM generate_series(1, 100)});
does_not_grow('purposes', 5_000, 'purposes that nobody has');

# Nor does one call that ends very many sessions: it keeps little of each.
$node->safe_psql(
	'postgres', q{
	CREATE FUNCTION measured() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		CALL public.measure();
		RETURN NULL;
	END $$;
	CREATE TABLE users (id text);
	SELECT session_bind_users('users', 'id');
	ALTER SYSTEM SET session.log_events = 'all';
	SELECT pg_reload_conf();
});

sub ends_many
{
	my ($call, $title) = @_;
	my $grown = $node->safe_psql(
		'postgres', qq{
		DELETE FROM session.sessions;
		TRUNCATE measured, users;
		INSERT INTO users VALUES ('ada');
		SELECT count(session_create('ada', tenant_id => 'acme', user_agent => repeat('x', 200), ip => '192.0.2.1')) FROM generate_series(1, 30000) \\g /dev/null
		-- They are ended in the order of their ids.
		SELECT id AS first FROM session.sessions ORDER BY id OFFSET 1000 LIMIT 1 \\gset
		SELECT id AS last FROM session.sessions ORDER BY id DESC LIMIT 1 \\gset
		SELECT format('CREATE TRIGGER %s AFTER UPDATE ON session.sessions FOR EACH ROW WHEN (NEW.id = %L) EXECUTE FUNCTION measured()', name, id)
		FROM (VALUES ('first', :'first'), ('last', :'last')) AS t(name, id) \\gexec
		$call;
		DROP TRIGGER first ON session.sessions;
		DROP TRIGGER last ON session.sessions;
		SELECT CASE WHEN count(*) = 2 THEN (max(contexts) - min(contexts)) / 29000 END FROM measured;
	});

	cmp_ok((split /\n/, $grown)[-1] || 'none', '<', 200, "$title keeps little of each session");
}

ends_many('SELECT session_revoke_tenant($$acme$$) = 30000', 'ending those of a tenant');
ends_many('SELECT session_revoke_user($$ada$$) = 30000', 'ending those of a user');
ends_many('DELETE FROM users', 'deleting a user');
ends_many('TRUNCATE users', 'emptying a table of users');

done_testing();
