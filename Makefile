# confd_haproxy. `make help` lists the targets.

# Another one's files go into a directory of its own: make TARGET=aarch64-unknown-linux-musl
DEFAULT    := x86_64-unknown-linux-musl
TARGET     ?= $(DEFAULT)
BIN        := $(if $(filter $(DEFAULT),$(TARGET)),bin,bin/$(TARGET))
CARGO      ?= cargo
CARGO_HOME ?= $(HOME)/.cargo
BUILT      := target/$(TARGET)/release/confd_haproxy
TINY       := target/tiny/$(TARGET)/release/confd_haproxy
VERSION    := $(shell sed -n '/^version = /{s/.*"\(.*\)"/\1/p;q}' Cargo.toml)
LICENCES   := target/LICENSE.dependencies
DIST       := confd_haproxy-$(VERSION)-$(firstword $(subst -, ,$(TARGET)))-linux
# What the program calls its commands, for one that does not run here.
COMMANDS   := $(filter-out confd_haproxy,$(patsubst packaging/man/%.8,%,$(wildcard packaging/man/*.8)))

PREFIX     ?= /usr/local
SYSCONFDIR ?= /etc
DESTDIR    ?=

# The time of everything in a package: the sources', so that the same sources give the same bytes.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || stat -c %Y Cargo.lock)
export SOURCE_DATE_EPOCH

# Panic messages would otherwise carry the paths of the machine that built them.
REMAP := --config 'target.$(TARGET).rustflags=["--remap-path-prefix=$(CARGO_HOME)=cargo","--remap-path-prefix=$(CURDIR)=."]'

.PHONY: all tiny help install dist rpm lint test test-matrix servers bench scale demo fuzz corpus soak faults picture sizes clean rust-target FORCE
.DEFAULT_GOAL := all

all: $(BIN)/confd_haproxy ## build bin/confd_haproxy, static, and the links to it; TARGET= for another machine

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(BIN)/confd_haproxy: $(BUILT)
	@mkdir -p $(BIN)
	@cp $< $@.new && mv $@.new $@
	@for name in $$($@ --list 2>/dev/null || echo $(COMMANDS)); do ln -sf confd_haproxy $(BIN)/$$name; done
	@ls -l $(BIN)

$(BUILT): FORCE | rust-target
	$(CARGO) build --release --locked --target $(TARGET) $(REMAP)

# The same without TLS, for whoever needs neither that nor ring: built apart, so that both can exist.
tiny: $(BIN)/tiny/confd_haproxy ## build bin/tiny/confd_haproxy, without TLS

$(BIN)/tiny/confd_haproxy: $(TINY)
	@mkdir -p $(BIN)/tiny
	@cp $< $@.new && mv $@.new $@
	@for name in $$($@ --list 2>/dev/null || echo $(COMMANDS)); do ln -sf confd_haproxy $(BIN)/tiny/$$name; done
	@ls -l $(BIN)/tiny

$(TINY): FORCE | rust-target
	$(CARGO) build --release --locked --no-default-features --target $(TARGET) --target-dir target/tiny $(REMAP)

# The machine that is not this one, for which everything must build too; its program is run under qemu.
OTHER := aarch64-unknown-linux-musl

# The toolchain's own musl: no C compiler for musl is needed. What ring has in C takes any gcc
# (.cargo/config.toml).
rust-target:
	@if command -v rustup >/dev/null; then \
	  rustup target list --installed | grep -qx $(TARGET) || rustup target add $(TARGET); fi

# What is linked in changes with Cargo.lock only.
$(LICENCES): Cargo.lock packaging/licences.sh packaging/LICENSE.runtime | $(BUILT)
	CARGO=$(CARGO) packaging/licences.sh $@

install: all $(LICENCES) ## install; variables: DESTDIR, PREFIX (/usr/local), SYSCONFDIR (/etc)
	BINARY=$(BIN)/confd_haproxy LICENCES=$(LICENCES) DESTDIR=$(DESTDIR) PREFIX=$(PREFIX) \
	  SYSCONFDIR=$(SYSCONFDIR) packaging/install.sh

dist: all $(LICENCES) ## a tarball to unpack anywhere, in target/dist
	rm -rf target/dist/$(DIST) && mkdir -p target/dist/$(DIST)/bin
	find $(BIN) -maxdepth 1 ! -type d -exec cp -P {} target/dist/$(DIST)/bin ';'
	cp -R -P etc confd README.md CHANGELOG.md LICENSE $(LICENCES) target/dist/$(DIST)
	cp -R packaging/man target/dist/$(DIST)/man
	cp -R packaging/bash-completion target/dist/$(DIST)/bash-completion
	mkdir target/dist/$(DIST)/docs target/dist/$(DIST)/monitoring
	cp docs/metrics.md target/dist/$(DIST)/docs
	cp packaging/grafana/* packaging/prometheus/* target/dist/$(DIST)/monitoring
	tar -C target/dist --sort=name --mtime=@$(SOURCE_DATE_EPOCH) --owner=0 --group=0 --numeric-owner \
	  --mode=u=rwX,go=rX -cf - $(DIST) | gzip -9n > target/dist/$(DIST).tar.gz
	rm -rf target/dist/$(DIST)

rpm: all $(LICENCES) ## an RPM for CentOS 7 to 10, in target/rpm (with rpmbuild)
	@[ $(TARGET) = $(DEFAULT) ] || { echo "the RPM is for $(DEFAULT)" >&2; exit 1; }
	@command -v rpmbuild >/dev/null || tests/setup.sh packaging
	VERSION=$(VERSION) BINARY=$(BIN)/confd_haproxy LICENCES=$(LICENCES) packaging/rpm.sh target/rpm
	@ls -l target/rpm/*.rpm

lint: rust-target ## rustfmt, clippy, documentation, licences, banned crates, imports
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) clippy --locked --test bench --test matrix -- -D warnings
	$(CARGO) clippy --locked --no-default-features -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --no-deps --document-private-items --quiet
	$(CARGO) test --locked --quiet --test lint

servers: ## install the servers that the tests need (Debian, as root)
	tests/setup.sh

test: all tiny servers ## every test, with real servers (Debian, as root)
	CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
	  $(MAKE) --no-print-directory TARGET=$(OTHER) # in a third of the time
	$(CARGO) test --locked --lib --bins
	$(CARGO) test --locked --test fuzz
	CONFD_HAPROXY_BIN=$(CURDIR)/bin/confd_haproxy CONFD_HAPROXY_TINY=$(CURDIR)/bin/tiny/confd_haproxy \
	  CONFD_HAPROXY_OTHER=$(CURDIR)/bin/$(OTHER)/confd_haproxy \
	  $(CARGO) test --locked --test it -- --test-threads=4
	CONFD_HAPROXY_BIN=$(CURDIR)/bin/confd_haproxy $(CARGO) test --locked --test scale -- --test-threads=1
	CONFD_HAPROXY_BIN=$(CURDIR)/bin/confd_haproxy \
	  $(CARGO) test --locked --test faults -- --test-threads=4
	CONFD_HAPROXY_BIN=$(CURDIR)/bin/confd_haproxy $(CARGO) test --locked --test soak

fuzz: ## everything from outside, mutated, for longer: FUZZ_SECONDS=60 for each test (as root)
	FUZZ_SECONDS=$(or $(FUZZ_SECONDS),60) $(CARGO) test --locked --test fuzz -- --nocapture

corpus: all servers ## record anew what real servers say, for fuzz (Debian, as root)
	$(CARGO) test --locked --test it -- --ignored what_real_servers_say

soak: all servers ## random faults for a while: MINUTES=10, and SEED=n for the same ones (Debian, as root)
	CONFD_HAPROXY_BIN=$(CURDIR)/bin/confd_haproxy MINUTES=$(or $(MINUTES),10) \
	  $(CARGO) test --locked --test soak -- --nocapture

faults: all servers ## every row of docs/faults.md, which is written anew (Debian, as root)
	rm -rf target/tmp/faults target/*/tmp/faults
	CONFD_HAPROXY_BIN=$(CURDIR)/bin/confd_haproxy \
	  $(CARGO) test --locked --test faults -- --include-ignored --skip the_page --test-threads=2
	$(CARGO) test --locked --test faults -- --ignored the_page_is_written

# ONLY=redis,haproxy runs these groups and leaves the others' results as they are.
test-matrix: all ## servers of other Debian suites, to docs/compatibility.md (Debian, as root)
	tests/setup.sh tools memcached consul
	ONLY="$(ONLY)" CONFD_HAPROXY_BIN=$(CURDIR)/bin/confd_haproxy \
	  $(CARGO) test --locked --quiet --test matrix

# ORIGINAL=dir (a checkout of the Perl scripts) and CONFD=path run these besides. ONLY=cost,memory runs
# these parts and writes nothing; ROUNDS=n sets the rounds of all parts.
bench: all tiny servers ## measure us and others side by side, to docs/performance.md (Debian, as root)
	ONLY="$(ONLY)" ROUNDS="$(ROUNDS)" ORIGINAL="$(ORIGINAL)" CONFD="$(CONFD)" \
	  CONFD_HAPROXY_BIN=$(CURDIR)/bin/confd_haproxy $(CARGO) test --locked --quiet --test bench

scale: all servers ## many tags in one process, measured for ten minutes; writes docs/scaling.md (Debian, as root)
	SCALE_TAGS="$(SCALE_TAGS)" SCALE_EVENTS="$(SCALE_EVENTS)" SCALE_CURVE="$(SCALE_CURVE)" \
	  CONFD_HAPROXY_BIN=$(CURDIR)/bin/confd_haproxy \
	  $(CARGO) test --locked --test scale -- --ignored --nocapture

sizes: rust-target ## what each crate costs in the binary, for docs/dependencies.md
	TARGET=$(TARGET) CARGO=$(CARGO) tests/sizes.sh

demo: ## watch failovers on this machine, from replicas to HAProxy (Debian, as root)
	tests/demo.sh

picture: all servers ## record a failover anew for README, to docs/failover.svg (Debian, as root)
	CONFD_HAPROXY_BIN=$(CURDIR)/bin/confd_haproxy \
	  $(CARGO) test --locked --test it -- --ignored the_picture_of_a_failover

clean: ## remove everything that was built
	$(CARGO) clean
	rm -rf bin
