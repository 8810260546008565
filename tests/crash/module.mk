.PHONY: crash soak
crash: all ## mail under 200 kills with SIGKILL (POSTERN_CRASH_KILLS, POSTERN_CRASH_SEED)
	@$(PYTHON) tests/crash/crash.py

soak: all ## many sessions on one mailbox for POSTERN_TEST_SECONDS (60)
	@POSTERN_TEST_SECONDS=$${POSTERN_TEST_SECONDS:-60} \
		$(PYTHON) tests/lib/run_cluster.py tests/cluster concurrent
