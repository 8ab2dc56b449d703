# session: web sessions kept by PostgreSQL.
#
#   make                build
#   make install        install (as root, or with DESTDIR)
#   make installcheck   regression, isolation and TAP tests, each on a server
#                       of its own; not as root
#   make unit           tests of the parts that need no server
#   make indent         format the C code

EXTENSION  = session
EXTVERSION = $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" session.control)
DATA       = $(wildcard sql/session--*.sql)
MODULE_big = session
OBJS       = $(patsubst %.c,%.o,$(SOURCES))
SOURCES    = $(sort $(wildcard src/*.c src/*/*.c))
INCLUDES = $(sort $(wildcard src/*.h src/*/*.h))

PG_CPPFLAGS = -I$(srcdir)/src -DSESSION_VERSION='"$(EXTVERSION)"'
SHLIB_LINK  = -lcrypto

INSTANCE       = --temp-instance=tmp_check --temp-config=$(srcdir)/test/session.conf
REGRESS        = $(sort $(patsubst test/sql/%.sql,%,$(wildcard test/sql/*.sql)))
REGRESS_OPTS   = --inputdir=$(srcdir)/test $(INSTANCE)
ISOLATION      = $(sort $(patsubst test/specs/%.spec,%,$(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=$(srcdir)/test --outputdir=. $(INSTANCE)
TAP_TESTS      = 1
PROVE_TESTS    = test/t/*.pl

UNIT_TESTS  = $(patsubst %.c,%,$(wildcard test/unit/*_test.c))
EXTRA_CLEAN = $(UNIT_TESTS) .quickstart

PG_CONFIG ?= pg_config
PGXS      := $(shell $(PG_CONFIG) --pgxs)
include $(PGXS)

# A server built by gcc hands down options and attributes that clang does not
# know; what is said about them is not about us.
ifneq (,$(findstring clang,$(CC)))
override CFLAGS += -Wno-unknown-warning-option \
	-Wno-ignored-optimization-argument
override CPPFLAGS := $(patsubst -I$(includedir_server),\
	-isystem $(includedir_server),$(CPPFLAGS))
endif

# An object depends on every header: there are few, and it is never wrong.
$(OBJS): $(INCLUDES)

# The parts below are linked without a server, which also shows that they
# know nothing of one.
UNIT_SOURCES = src/engine/policy.c src/wire/base64url.c src/wire/token.c \
	src/crypto/crypto.c
test/unit/%: test/unit/%.c test/unit/tap.h $(UNIT_SOURCES) $(INCLUDES)
	$(CC) $(CFLAGS) $(CPPFLAGS) -o $@ $< $(UNIT_SOURCES) \
		-L$(shell $(PG_CONFIG) --pkglibdir) -L$(shell $(PG_CONFIG) --libdir) \
		-lpgcommon -lpgport -lcrypto -lm

unit: $(UNIT_TESTS)
	prove $(PROVE_FLAGS) --exec '' $(UNIT_TESTS)

indent:
	scripts/indent $(SOURCES) $(INCLUDES) $(wildcard test/unit/*.[ch])

.PHONY: unit indent
