PROGRAMS += rpcbench
rpcbench_MAIN := tests/bench/rpcbench.c
rpcbench_LIBS :=
