"""English text front end: normalisation, pronunciation, symbols."""
