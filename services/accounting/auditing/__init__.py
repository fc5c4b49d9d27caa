"""Do the books say the same as each other, and as those who were there? `sluice usage audit` asks it, and the night."""
