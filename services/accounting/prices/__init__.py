"""Where prices come from: one file per public price book, behind `charging.PriceBook`."""
