# session: web sessions kept by PostgreSQL.
#
#   make                build
#   make install        install (as root, or with DESTDIR)
#   make installcheck   regression, isolation and TAP tests, each on a server
#                       of its own; not as root
#   make faults         tests that make something fail, such as crashes
#   make unit           tests of the parts that need no server
#   make fuzz           ten minutes of each fuzz target (FUZZ_SECONDS); clang
#   make fuzz-short     one minute of each
#   make fuzz-hour      one hour of each; writes test/fuzz/measured.txt
#   make coverage       what the tests cover, into docs/coverage.md
#   make indent         format the C code
#   make dist           make the archive for PGXN of HEAD

EXTENSION  = session
EXTVERSION = $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" session.control)
DATA       = $(wildcard sql/session--*.sql)
MODULE_big = session
OBJS       = $(patsubst %.c,%.o,$(SOURCES))
SOURCES    = $(sort $(wildcard src/*.c src/*/*.c))
INCLUDES = $(sort $(wildcard src/*.h src/*/*.h))

PG_CPPFLAGS = -I$(srcdir)/src -DSESSION_VERSION='"$(EXTVERSION)"'
SHLIB_LINK  = -lcrypto -lz

# The tests do not depend on the caller's locale.
ENCODING       = UTF8
NO_LOCALE      = 1

INSTANCE       = --temp-instance=tmp_check --temp-config=$(srcdir)/test/session.conf
REGRESS        = $(sort $(patsubst test/sql/%.sql,%,$(wildcard test/sql/*.sql)))
REGRESS_OPTS   = --inputdir=$(srcdir)/test $(INSTANCE)
ISOLATION      = $(sort $(patsubst test/specs/%.spec,%,$(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=$(srcdir)/test --outputdir=. $(INSTANCE)
TAP_TESTS      = 1
PROVE_TESTS    = test/t/*.pl
FAULT_TESTS    = test/faults/*.pl

UNIT_TESTS   = $(patsubst %.c,%,$(wildcard test/unit/*_test.c))
FUZZ_TARGETS = $(patsubst %.c,%,$(wildcard test/fuzz/*_fuzz.c))
EXTRA_CLEAN  = $(UNIT_TESTS) test/unit/assertion.o $(FUZZ_TARGETS) \
	test/fuzz/built test/fuzz/found test/faults/built .quickstart

PG_CONFIG ?= pg_config
PGXS      := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# PGXS passes the flags that the server was built with. Clang does not know
# some flags of gcc, and warns in the server's headers about some attributes of
# gcc. Neither warning is about our code.
ifneq (,$(findstring clang,$(CC)))
override CFLAGS += -Wno-unknown-warning-option \
	-Wno-ignored-optimization-argument
override CPPFLAGS := $(patsubst -I$(includedir_server),\
	-isystem $(includedir_server),$(CPPFLAGS))
endif

# Every object depends on every header. There are few headers, and no
# dependency can be missing.
$(OBJS): $(INCLUDES)

# The unit tests are linked without a server, which also proves that these
# sources need none.
UNIT_SOURCES = src/model/policy.c src/model/scope.c src/shared/schedule.c \
	$(sort $(wildcard src/wire/*.c src/crypto/*.c))
UNIT_OBJS    = $(UNIT_SOURCES:.c=.o) test/unit/assertion.o
test/unit/%: test/unit/%.c $(wildcard test/unit/*.h) $(UNIT_OBJS) $(INCLUDES)
	$(CC) $(CFLAGS) $(CPPFLAGS) -o $@ $< $(UNIT_OBJS) \
		-L$(shell $(PG_CONFIG) --pkglibdir) -L$(shell $(PG_CONFIG) --libdir) \
		-lpgcommon -lpgport -lcrypto -lz -lm

unit: $(UNIT_TESTS)
	prove $(PROVE_FLAGS) --exec '' $(UNIT_TESTS)

# The fuzzer stores new inputs in test/fuzz/found, beside the inputs that made
# a target fail. An input that made it fail is moved to test/fuzz/corpus
# together with the fix.
# Inputs of the corpus have the name of a case. -merge=1 would drop a fifth of
# them, which reach no code that others do not reach, but are cases of their own.
FUZZ_SECONDS ?= 600
FUZZ_LEN     ?= 4096
FUZZ_CC      ?= clang
FUZZ_CFLAGS   = -g -O1 -fno-omit-frame-pointer \
	-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined
FUZZ_CPPFLAGS = $(patsubst -I$(includedir_server),\
	-isystem $(includedir_server),$(CPPFLAGS)) -U_FORTIFY_SOURCE
FUZZ_OBJS     = $(patsubst %.c,test/fuzz/built/%.o,\
	$(sort $(wildcard src/wire/*.c src/crypto/*.c)))
$(FUZZ_OBJS): test/fuzz/built/%.o: %.c $(INCLUDES)
	mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_CFLAGS) $(FUZZ_CPPFLAGS) -c -o $@ $<
test/fuzz/%: test/fuzz/%.c $(wildcard test/fuzz/*.h) $(FUZZ_OBJS) $(INCLUDES)
	$(FUZZ_CC) $(FUZZ_CFLAGS) $(FUZZ_CPPFLAGS) -o $@ $< $(FUZZ_OBJS) \
		-L$(shell $(PG_CONFIG) --pkglibdir) -L$(shell $(PG_CONFIG) --libdir) \
		-lpgcommon -lpgport -lcrypto -lz -lm

fuzz-build: $(FUZZ_TARGETS)

fuzz: $(FUZZ_TARGETS)
	set -e; for target in $(notdir $(FUZZ_TARGETS)); do \
		mkdir -p test/fuzz/found/$$target; \
		test/fuzz/$$target -max_total_time=$(FUZZ_SECONDS) -timeout=10 \
			-max_len=$(FUZZ_LEN) -artifact_prefix=test/fuzz/found/$$target- \
			test/fuzz/found/$$target test/fuzz/corpus/$${target%_fuzz}; \
	done

fuzz-short:
	$(MAKE) fuzz FUZZ_SECONDS=60

# This takes about a day.
fuzz-hour: fuzz-build
	test/fuzz/measure 3600

# Tests that kill the server and make other things fail; see test/README.md.
faults:
	$(MAKE) installcheck REGRESS= ISOLATION= PROVE_TESTS='$(FAULT_TESTS)'

# The library of test/faults/100_injected.pl; see test/faults/inject.c. Functions
# that the server calls when a catalog changed must not raise errors.
FAULT_BUILT  = test/faults/built
FAULT_CFLAGS = -O1 -finstrument-functions \
	-finstrument-functions-exclude-file-list=$(includedir_server) \
	-finstrument-functions-exclude-function-list=invalidate_,forget_table
FAULT_OBJS   = $(patsubst src/table/%.c,$(FAULT_BUILT)/%.o,\
	$(sort $(wildcard src/table/*.c)))
$(FAULT_OBJS): $(FAULT_BUILT)/%.o: src/table/%.c $(INCLUDES)
	mkdir -p $(@D)
	$(CC) $(CFLAGS) $(FAULT_CFLAGS) $(CFLAGS_SL) $(CPPFLAGS) -c -o $@ $<
$(FAULT_BUILT)/inject.o: test/faults/inject.c
	mkdir -p $(@D)
	$(CC) $(CFLAGS) $(CFLAGS_SL) $(CPPFLAGS) -c -o $@ $<
$(FAULT_BUILT)/clock.so: test/faults/clock.c
	mkdir -p $(@D)
	$(CC) -O1 -fPIC -shared -o $@ $<
$(FAULT_BUILT)/session.so: $(FAULT_OBJS) $(FAULT_BUILT)/inject.o \
		$(filter-out src/table/%,$(OBJS))
	$(CC) $(CFLAGS) -shared -o $@ $^ $(LDFLAGS) $(SHLIB_LINK)

coverage:
	scripts/coverage

indent:
	scripts/indent $(SOURCES) $(INCLUDES) $(wildcard test/unit/*.[ch]) \
		$(wildcard test/fuzz/*.[ch]) $(wildcard test/faults/*.c)

# The archive for PGXN. It has the version of META.json, and leaves out what
# .gitattributes names.
DISTVERSION = $(shell sed -n 's/^   "version": "\(.*\)",/\1/p' META.json)
DIST        = $(EXTENSION)-$(DISTVERSION)

dist:
	scripts/check-meta
	git archive --format=zip --prefix=$(DIST)/ --output=$(DIST).zip HEAD

.PHONY: coverage dist faults unit fuzz fuzz-build fuzz-short fuzz-hour indent
