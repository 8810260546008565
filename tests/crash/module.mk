.PHONY: crash crash-out soak
crash: crash-out
crash: all ## mail under 200 kills with SIGKILL (POSTERN_CRASH_KILLS, POSTERN_CRASH_SEED)
	@$(PYTHON) tests/crash/crash.py

crash-out: all ## the same for mail to other systems
	@$(PYTHON) tests/crash/crash_out.py

soak: all ## many sessions on one mailbox for POSTERN_TEST_SECONDS (60)
	@POSTERN_TEST_SECONDS=$${POSTERN_TEST_SECONDS:-60} \
		$(PYTHON) tests/lib/run_cluster.py tests/cluster concurrent

# The store alone: a million random steps against its model, and 200 kills. The files lie in memory
# where there is room: kills do not test the disk, and the steps are many.
STORE_CRASH_TMP := $(if $(wildcard /dev/shm),/dev/shm,/tmp)
.PHONY: crash-store
crash: crash-store
crash-store: $(BUILD)/unit/backend/store.t ## the store against its model (STORE_MODEL_STEPS, _SEED, STORE_KILLS)
	@TMPDIR=$(STORE_CRASH_TMP) STORE_MODEL_STEPS=$${STORE_MODEL_STEPS:-1000000} \
		STORE_KILLS=$${STORE_KILLS:-100} $< model_random_steps model_twins_hash_the_same \
		kill_between_steps kill_many_senders
