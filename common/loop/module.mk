CFLAGS_common_loop_fiber := -U_FORTIFY_SOURCE # see the head of fiber.c
