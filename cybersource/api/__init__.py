"""The API for staff tools, other services and the shopper's own pages, on Django REST framework.

    request -> no card number in it -> who, may they, how often -> read -> one call into the domain -> said in JSON

Everything under ``v1/`` answers errors in one shape (:mod:`.errors`), asks one permission a verb (:mod:`.permissions`)
and takes JSON only (:mod:`.reading`). Who somebody is, the project's own settings of Django REST framework say.
"""
