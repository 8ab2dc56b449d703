# What a validation costs when more sessions are in use than
# session.activity_size. This file is sourced by run.
#
# Three servers have the same sessions and differ in session.activity_size: the
# sessions in use are 0.5, 2 and 20 times the entries. A pass validates each
# session once, in an order that is not that of their rows; the rows were last
# seen an hour ago, so all uses are due.

# crowd SUFFIX DIVISOR PORT: makes a server whose sessions are in use, and whose
# shared memory has room for DIVISOR per cent of them.
crowd() {
	port=$3
	start_server "crowd$1" "$3" <<-END
		shared_preload_libraries = 'session'
		shared_buffers = '256MB'
		max_connections = 20
		session.activity_size = $((sessions * $2 / 100))
		session.naptime = '${naptime}s'
	END
	sql postgres -c "CREATE EXTENSION session" -c "CREATE TABLE tok AS
		SELECT n, (session_create('user' || n, '{\"theme\": \"dark\"}', lifetime => '30 days')).token
		  FROM generate_series(1, $sessions) AS n" \
		-c "CREATE UNIQUE INDEX ON tok (n)" -c "VACUUM FREEZE" >/dev/null
	as_user "$pg_lib/bin/pg_ctl" -D "$work/crowd$1" -m fast -w stop >/dev/null
}

# server_ran NAME: prints the user and system time that the processes of a
# server took so far, in microseconds, with those that have ended.
server_ran() {
	cat /proc/[0-9]*/stat 2>/dev/null |
		awk -v postmaster="$(head -n 1 "$work/$1/postmaster.pid")" -v tick="$(getconf CLK_TCK)" '
		{ pid = $1; sub(/.*\) /, "") }
		pid == postmaster { total += $14 + $15 }
		$2 == postmaster { total += $12 + $13 }
		END { printf "%.0f\n", total / tick * 1e6 }'
}

# backend_ran: waits for the end of the backend of pgbench. Prints the user and
# system time that it took, in microseconds.
backend_ran() {
	took='0 0'
	# pgbench first opens a connection that it only asks for the server's state.
	while [ "$took" = '0 0' ]; do
		pid=$(sql postgres -c "SELECT pid FROM pg_stat_activity WHERE application_name = 'pgbench' LIMIT 1")
		while [ -n "$pid" ] && now=$(ran "$pid" 2>/dev/null) && [ -n "$now" ]; do
			took=$now
			sleep 0.02
		done
	done
	echo "$took" | awk '{ print $1 + $2 }'
}

# busy: starts a process on each processor that runs when nothing else does.
# Otherwise a processor falls asleep between two statements where no worker
# runs, and waking it takes longer than what is measured.
busy() {
	spinners=
	for _ in $(seq "$(nproc)"); do
		chrt --idle 0 sh -c 'while :; do :; done' &
		spinners="$spinners $!"
	done
}

# idle: ends these processes.
spinners=
idle() {
	[ -z "$spinners" ] || kill $spinners 2>/dev/null || :
	spinners=
}

at_end() { idle; }

# shared_memory: prints how much shared memory the server has allocated.
shared_memory() {
	sql postgres -c 'SELECT sum(allocated_size) FROM pg_shmem_allocations WHERE name IS NOT NULL'
}

# dropped: prints how many uses found no room.
dropped() {
	sql postgres -c 'SELECT activity_dropped FROM session.stats WHERE database = current_database()'
}

# lag: waits for the time in which the rows have to be written. Prints how many
# rows still lack the use.
lag() {
	sleep $((naptime + 3))
	sql postgres -c "SELECT count(*) FROM session.sessions WHERE last_seen_at < '$began'::timestamptz - interval '10 minutes'"
}

# pass SUFFIX PORT READ-ONLY: validates all sessions once. Adds a line to the
# file "pass": latency, CPU of the backend, CPU of all processes of the server,
# uses without room, growth of shared memory; and rows that lag, in the last
# round.
pass() {
	port=$2
	as_user "$pg_lib/bin/pg_ctl" -D "$work/crowd$1" -l "$work/crowd$1.log" -w start >/dev/null ||
		{ cat "$work/crowd$1.log" >&2; die "the server did not start"; }
	sql postgres -c "UPDATE session.sessions SET last_seen_at = now() - interval '1 hour'" -c 'VACUUM session.sessions'
	# The first round of upkeep cleans.
	until [ "$(sql postgres -c "SELECT round_duration IS NOT NULL FROM session.stats WHERE database = current_database()")" = t ]; do
		sleep 0.1
	done
	began=$(sql postgres -c 'SELECT now()' -F '')
	memory=$(shared_memory)
	before=$(server_ran "crowd$1")
	backend_ran >"$work/backend" &
	watcher=$!
	busy
	PGOPTIONS="-c default_transaction_read_only=$3" \
		run_pgbench postgres postgres -t $((sessions / 10)) -D rows="$sessions" -D i=0 -f pass.sql
	idle
	wait $watcher
	after=$(server_ran "crowd$1")
	echo "$(latencies session_validate 10) $(cat "$work/backend") $before $after" \
		"$(dropped) $(($(shared_memory) - memory)) $([ $round -lt "$passes" ] || lag)" |
		awk -v n="$sessions" '{ print $1, $2 / n, ($4 - $3) / n, $5, $6, $7 }' >>"$work/pass$1.$3"
	as_user "$pg_lib/bin/pg_ctl" -D "$work/crowd$1" -m fast -w stop >/dev/null
}

# measure_crowded: measures and prints all of it.
measure_crowded() {
	awk 'BEGIN {
		print "\\set i :i + 10"
		for (k = 1; k <= 10; k++) print "\\set n" k " ((:i + " k ") * 7919) % :rows + 1"
		for (k = 1; k <= 10; k++)
			printf "%s (SELECT token FROM tok WHERE n = :n%d) AS t%d", k == 1 ? "SELECT" : ",", k, k
		print " \\gset"
		for (k = 1; k <= 10; k++) print "SELECT user_id, data FROM session_validate(:t" k ");"
	}' >"$work/pass.sql"
	crowd half 200 5441
	crowd 2 50 5442
	crowd 20 5 5443
	# The first round warms up, and its figures do not count.
	round=$((1 - warm_ups))
	order='half:5441 2:5442 20:5443'
	while [ $round -le "$passes" ]; do
		for mode in off on; do
			for server in $order; do
				pass "${server%:*}" "${server#*:}" $mode
			done
		done
		order="${order#* } ${order%% *}"
		[ $round -gt 0 ] || rm "$work"/pass*.o*
		round=$((round + 1))
	done
	for mode in off on; do
		name=write
		text='READ WRITE'
		[ $mode = off ] || { name=read; text='READ ONLY'; }
		for server in half 2 20; do
			awk '{ print $1, $2, $3 }' "$work/pass$server.$mode" >"$work/columns"
			columns "$work/columns" us 1 "crowd$server.$name" "crowd$server.$name.backend" "crowd$server.$name.server"
			awk '{ print $4, $5 }' "$work/pass$server.$mode" >"$work/columns"
			column "$work/columns" 1 1 | series "crowd$server.$name.dropped" uses
			column "$work/columns" 2 1 | series "crowd$server.$name.memory" bytes
			tail -n 1 "$work/pass$server.$mode" | awk '{ print $6 }' | series "crowd$server.$name.lag" rows
		done
		echo
		echo "$sessions sessions in use, all due, $text; $passes passes"
		for server in half 2 20; do
			latency "session_validate, $server times the entries" "crowd$server.$name"
			latency "  CPU of its backend" "crowd$server.$name.backend"
			latency "  CPU of the server" "crowd$server.$name.server"
		done
		for server in '2 1.15' '20 1.5'; do
			limit=${server#* }
			server=${server% *}
			figure "session_validate, $text, $server times the entries / half" "crowd$server.$name/crowdhalf.$name" '<=' "$limit"
			figure "CPU of its backend, $text, $server times the entries / half" "crowd$server.$name.backend/crowdhalf.$name.backend"
			figure "CPU of the server, $text, $server times the entries / half" "crowd$server.$name.server/crowdhalf.$name.server"
		done
		figure "uses without room, $text, 2 times the entries" "crowd2.$name.dropped" '<=' 0
		figure "uses without room, $text, 20 times the entries" "crowd20.$name.dropped"
		for server in half 2 20; do
			figure "rows that lag too far, $text, $server times the entries" "crowd$server.$name.lag" '<=' 0
			figure "growth of shared memory, $text, $server times the entries" "crowd$server.$name.memory" '<=' 0
		done
	done
}
