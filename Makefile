# Penstock. `make help` lists what there is to make. Needs GNU make, gcc or clang, pkg-config (scripts/setup installs all of it).
#
#   make [MODE=…] [CC=…]        build/<mode>/penstock; with CC=clang-16 in build/<mode>-clang
#   make test [ROOM=…]          unit and property tests
#   make fuzz [ROOM=…] [T=10]   every fuzz target for T seconds
#   make e2e [TOPIC=…]          real processes on loopback (tests/e2e)
#   make check                  layers, headers, format, dead functions, spelling, docs … in seconds
#   make tidy [ROOM=…]          clang-tidy
#   make bench [BENCH=…]        side by side with nginx, HAProxy and Envoy
#   make install [DESTDIR=] [PREFIX=/usr/local]
#   make clean
#
#   MODE=debug|asan|tsan|release|fuzz   CC=gcc|clang-16   ROOM=<room>   WERROR=1   V=1

MODE ?= debug
CC = gcc
CLANG ?= clang-16
PREFIX ?= /usr/local
LIBRARIES := libuv libxxhash yaml-0.1 jansson

ifeq ($(filter $(MODE),debug asan tsan release fuzz),)
$(error MODE is one of debug, asan, tsan, release, fuzz)
endif
ifeq ($(MODE),fuzz)
CC = $(CLANG)
endif

IS_CLANG := $(findstring clang,$(CC))
B := build/$(MODE)$(if $(IS_CLANG),$(if $(filter-out fuzz,$(MODE)),-clang))

WARN := -Wall -Wextra -Wshadow -Wundef -Wvla -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
	-Wpointer-arith -Wcast-qual -Wwrite-strings -Wconversion -Wnull-dereference -Wdate-time -Wimplicit-fallthrough
WARN_gcc := -Wduplicated-cond -Wduplicated-branches -Wlogical-op -Wjump-misses-init -Walloc-zero -Wtrampolines \
	-Wbidi-chars=any -Wstack-usage=65536
WARN_clang := -Wno-unknown-warning-option -Wunreachable-code
WARN += $(if $(IS_CLANG),$(WARN_clang),$(WARN_gcc)) $(if $(WERROR),-Werror)

HARDEN := -fstack-protector-strong -fstack-clash-protection -fcf-protection=full -ftrivial-auto-var-init=zero -fPIE
FORTIFY := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3

MODE_debug := -Og -g3 $(HARDEN)
# With gcc the release is seen as a whole (clang would need another linker); -Wnull-dereference then doubts what one room promises
# another, and stays with the other modes.
WHOLE := $(if $(IS_CLANG),,-flto=auto -fno-fat-lto-objects -Wno-null-dereference)
AR := $(if $(IS_CLANG),ar,gcc-ar)

MODE_release := -O3 -g $(WHOLE) $(HARDEN) $(FORTIFY)
MODE_asan := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
MODE_tsan := -O1 -g -fno-omit-frame-pointer -fsanitize=thread
MODE_fuzz := -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all

CPPFLAGS := -D_GNU_SOURCE -Isrc $(shell pkg-config --cflags $(LIBRARIES) 2>/dev/null)
CFLAGS := -std=gnu17 -fno-strict-overflow -fno-common -fvisibility=hidden -ffunction-sections -fdata-sections -pthread $(WARN) $(MODE_$(MODE))
LDFLAGS := -pie -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code -Wl,--gc-sections -Wl,--as-needed -pthread
LDLIBS := $(shell pkg-config --libs $(LIBRARIES) 2>/dev/null) -lm

ROOMS := $(shell awk '/^L/ { sub(":", "", $$2); print $$2 }' src/LAYERS)
# The rooms a room needs, itself first, found by following src/LAYERS.
direct = $(shell awk -v r=$(1): '/^L/ && $$2 == r { for (i = 3; i <= NF; i++) print $$i }' src/LAYERS)
$(foreach r,$(ROOMS),$(eval NEED_$(r) := $(r) $(call direct,$(r))))
close1 = $(foreach r,$(ROOMS),$(eval NEED_$(r) := $(sort $(foreach d,$(NEED_$(r)),$(NEED_$(d))))))
$(call close1)
$(call close1)
$(call close1)

SOURCES = $(filter-out %_fuzz.c,$(wildcard src/$(1)/*.c))
OBJECTS = $(patsubst src/%.c,$(B)/%.o,$(SOURCES))
archive = $(B)/lib/$(1).a
group = -Wl,--start-group $(1) -Wl,--end-group

# V=1 shows the commands.
Q := $(if $(V),,@)
SAY := $(if $(V)$(findstring s,$(firstword -$(MAKEFLAGS))),:,echo)

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all test fuzz check tidy e2e bench bench-tools objects clean help install
all: $(B)/penstock

define room_rules
$(call archive,$(1)): $(call OBJECTS,$(1)) src/LAYERS
	@mkdir -p $$(@D) && rm -f $$@ && $(AR) rcs $$@ $$(filter %.o,$$^)
endef
$(foreach r,$(ROOMS),$(eval $(call room_rules,$(r))))

$(B)/%.o: src/%.c Makefile
	@mkdir -p $(@D) && $(SAY) "cc    $@"
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c $< -o $@

ARCHIVES := $(foreach r,$(ROOMS),$(if $(call SOURCES,$(r)),$(call archive,$(r))))
# Every object once, for `make check` (dead functions) and the rooms nothing links yet.
objects: $(foreach r,$(ROOMS),$(call OBJECTS,$(r)))

$(B)/penstock: $(ARCHIVES)
	@$(SAY) "link  $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(B)/cmd/main.o $(call group,$(ARCHIVES)) $(LDLIBS)

# ---- unit and property tests: one program per file, linked with its room and what that needs ----
TESTS := $(wildcard tests/unit/$(or $(ROOM),*)/test_*.c) $(if $(ROOM),,$(wildcard tests/property/test_*.c))
TEST_PROGRAMS := $(patsubst tests/%.c,$(B)/tests/%,$(TESTS))
test_room = $(word 1,$(subst /, ,$(patsubst tests/unit/%,%,$(1))))
test_archives = $(foreach r,$(or $(NEED_$(call test_room,$(1))),$(ROOMS)),$(if $(call SOURCES,$(r)),$(call archive,$(r))))

define test_rules
$(B)/tests/$(1): tests/$(1).c $(filter-out $(B)/lib/cmd.a,$(call test_archives,tests/$(1))) Makefile
	@mkdir -p $$(@D) && $(SAY) "link  $$@"
	$(Q)$$(CC) $$(CPPFLAGS) -Itests $$(CFLAGS) -MMD -MP -MF $$@.d $$(LDFLAGS) -o $$@ $$< $$(call group,$$(filter %.a,$$^)) $$(LDLIBS) -lcmocka
endef
$(foreach t,$(TESTS),$(eval $(call test_rules,$(patsubst tests/%.c,%,$(t)))))

test: $(TEST_PROGRAMS)
	@scripts/run-unit $(TEST_PROGRAMS)

# ---- fuzz targets: src/<room>/<file>_fuzz.c with tests/corpus/<file>/ ----
FUZZ := $(wildcard src/$(or $(ROOM),*)/*_fuzz.c)
FUZZ_PROGRAMS := $(patsubst src/%.c,build/fuzz/fuzz/%,$(FUZZ))
T ?= 10
define fuzz_rules
build/fuzz/fuzz/$(1): src/$(1).c $(foreach r,$(NEED_$(patsubst %/,%,$(dir $(1)))),$(if $(call SOURCES,$(r)),$(call archive,$(r))))
	@mkdir -p $$(@D) && $(SAY) "link  $$@"
	$(Q)$$(CC) $$(CPPFLAGS) $$(CFLAGS) -fsanitize=fuzzer -o $$@ $$< $$(call group,$$(filter %.a,$$^)) $$(LDLIBS)
endef
ifeq ($(MODE),fuzz)
$(foreach f,$(FUZZ),$(eval $(call fuzz_rules,$(patsubst src/%.c,%,$(f)))))
fuzz: $(FUZZ_PROGRAMS)
	@scripts/run-fuzz $(T) $(FUZZ_PROGRAMS)
else
fuzz:
	@$(MAKE) --no-print-directory MODE=fuzz fuzz
endif

# ---- the house ----
check: objects
	@CC="$(CC)" CHECK_FLAGS="$(CPPFLAGS) $(CFLAGS)" CHECK_LINK="$(LDFLAGS) $(LDLIBS)" CHECK_OBJECTS="$(B)" scripts/check $(ONLY)

tidy:
	@printf '%s\n' $(wildcard src/$(or $(ROOM),*)/*.c) | xargs -P$$(nproc) -n4 \
		sh -c 'clang-tidy-16 --quiet "$$@" -- $(CPPFLAGS) -std=gnu17' tidy

e2e: $(B)/penstock
	@PENSTOCK="$(CURDIR)/$<" scripts/e2e $(TOPIC)

# ---- benchmarks: a stand-in backend and a load generator beside the release build ----
BENCH_TOOLS := build/bench/backend build/bench/loadgen
build/bench/%: bench/%.c bench/bench.h Makefile
	@mkdir -p $(@D) && $(SAY) "link  $@"
	$(Q)gcc -std=gnu17 -D_GNU_SOURCE -O2 -g $(filter-out -Wnull-dereference,$(WARN)) -o $@ $<
bench-tools: $(BENCH_TOOLS)
bench: bench-tools
	@$(MAKE) --no-print-directory MODE=release
	@bench/run $(BENCH)

install:
	@$(MAKE) --no-print-directory MODE=release
	install -D -m 755 build/release/penstock $(DESTDIR)$(PREFIX)/bin/penstock
	install -D -m 644 man/penstock.1 $(DESTDIR)$(PREFIX)/share/man/man1/penstock.1

clean:
	rm -rf build

help:
	@sed -n 's/^#   //p' Makefile

-include $(shell find $(B) -name '*.d' 2>/dev/null)
