/* SPDX-License-Identifier: MIT */
#ifndef TESTS_EXT2_MODEL_H
#define TESTS_EXT2_MODEL_H

/* random(n): a number below n, which decides everything. The super that is mounted is empty. */
void model_begin(unsigned (*random)(unsigned n));
void model_run(unsigned nr_ops);
void model_compare(void);
void model_end(void);

#endif
