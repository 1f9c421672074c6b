"""The cost of Headway, measured: ``make bench``. CPU time: wall time is as much the machine's affair."""
