"""What the commands of ``ocdp claim`` are made of: values from options, waiting with a verdict, and the account of a claim."""
