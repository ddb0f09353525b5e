"""Build-time tools of this repository; none of them ships in the wheel."""
