"""Who posts from outside: shoppers' browsers and CyberSource's servers. Evidence is stored before anything is believed.

The URLconf takes :mod:`.views`; ``cybersource_reprocess`` settles what is stored with :mod:`.replies`.
"""
