# SPDX-License-Identifier: MIT
"""The quire command: one module for each thing it does."""
