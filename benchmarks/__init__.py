"""What Headway costs, measured: ``make bench``. CPU time, because wall time is the machine's affair as much as ours."""
